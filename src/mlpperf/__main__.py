"""`python -m mlpperf`: the same as the `mlpperf` command."""

from .cli.main import main

main()
