"""`python -m mlpperf`: the same as the `mlpperf` command."""

from .cli import main

main()
