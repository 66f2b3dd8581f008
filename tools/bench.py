"""What `make bench` runs: proof, race, ladder and report; and at the end three sentences.

`python tools/bench.py --verbose` shows every result of the race.

The ladder trains 7 epochs of each rung here; `mlpperf ladder` trains all 35.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import time
from collections.abc import Sequence

from mlpperf.articles.mlp.records import RungRecord
from mlpperf.articles.mlp.show_ladder import sentence
from mlpperf.cli.main import main as mlpperf
from mlpperf.engine.history.reading import readable
from mlpperf.engine.history.records import records_folder

PARTS = {
    "Proof: is every variant equal to its reference?": ["verify"],
    "Race: how much faster is it?": ["race"],
    "Ladder: what does a whole training gain?": ["ladder", "--quick"],
    "Report": ["report"],
}


def main(of_race: Sequence[str] = ()) -> int:
    """Run the parts in turn, the race with more options; stops at the first that fails."""
    start, printed = time.monotonic(), io.StringIO()
    for number, (title, arguments) in enumerate(PARTS.items(), 1):
        passed = time.monotonic() - start
        print(f"\n── {number} of {len(PARTS)}, {passed:.0f} s ── {title}", flush=True)
        # Proof and race run in this process, so that the race proves nothing again.
        if arguments == ["verify"]:  # prints only sentences; a table is as wide as the terminal
            with contextlib.redirect_stdout(printed):
                code = here(arguments)
            print(printed.getvalue(), end="", flush=True)
        elif arguments == ["race"]:
            code = here([*arguments, *of_race])
        else:
            command = [sys.executable, "-m", "mlpperf", *arguments]
            code = subprocess.run(command, check=False).returncode
        if code:
            return code
    rungs = [*readable(records_folder(), RungRecord, [])]
    newest = [r for r in rungs if r.time == rungs[-1].time]
    print(f"\n── Done in {time.monotonic() - start:.0f} s")
    print(f"Proven: {printed.getvalue().strip().splitlines()[-1]}")
    print(f"Gained: {sentence(newest)}")
    print(f"Look: open {records_folder() / 'report' / 'index.html'}, or run `mlpperf list`.")
    return 0


def here(arguments: Sequence[str]) -> int:
    """Run a command in this process; its exit code."""
    sys.argv[1:] = arguments
    try:
        mlpperf()
    except SystemExit as ended:
        return int(ended.code or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
