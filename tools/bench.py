"""What `make bench` runs: proof, race, ladder and report; and at the end three sentences.

`python tools/bench.py --verbose` shows every result of the race.

The ladder trains 6 epochs of each rung here; `mlpperf ladder` trains all 35 and measures memory.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from mlpperf.articles.mlp.records import RungRecord
from mlpperf.articles.mlp.show_ladder import sentence
from mlpperf.engine.history.reading import read_records
from mlpperf.engine.history.records import records_folder

PARTS = {
    "Proof: is every variant equal to its reference?": ["verify"],
    "Race: how much faster is it?": ["race"],
    "Ladder: what does a whole training gain?": ["ladder", "--quick"],
    "Report": ["report"],
}


def main(of_race: Sequence[str] = ()) -> int:
    """Run the parts in turn, the race with more options; stops at the first that fails."""
    start, proven = time.monotonic(), ""
    for number, (title, arguments) in enumerate(PARTS.items(), 1):
        passed = time.monotonic() - start
        print(f"\n── {number} of {len(PARTS)}, {passed:.0f} s ── {title}", flush=True)
        more = of_race if arguments == ["race"] else ()
        command = [sys.executable, "-m", "mlpperf", *arguments, *more]
        # A proof prints only sentences; the tables of the others are as wide as the terminal.
        out = subprocess.PIPE if arguments == ["verify"] else None
        done = subprocess.run(command, stdout=out, text=True, check=False)
        if out:
            print(done.stdout, end="", flush=True)
            proven = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
        if done.returncode:
            return done.returncode
    rungs = [r for r in read_records(records_folder(), RungRecord) if isinstance(r, RungRecord)]
    newest = [r for r in rungs if r.time == rungs[-1].time]
    print(f"\n── Done in {time.monotonic() - start:.0f} s")
    print(f"Proven: {proven}")
    print(f"Gained: {sentence(newest)}")
    print(f"Look: open {records_folder() / 'report' / 'index.html'}, or run `mlpperf list`.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
