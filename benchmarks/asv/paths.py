"""One class for each hot path, over the frozen list and not over what a commit happens to have."""

from __future__ import annotations

import sys
from typing import Any

from .contest import Contest, check_cases
from .frozen import FROZEN

ROUNDS = 5  # processes for a benchmark; the second one runs when all others have had their first
METHOD = 1  # raised when it changes how something is measured: older results are then not compared


def _benchmarks(contest: Contest) -> type:
    frozen = contest.frozen
    contestants, cases = frozen["contestants"], frozen["cases"]
    unproven = Contest(contest.name, frozen, prove_first=False)

    class Benchmarks:
        version = f"{METHOD}.{frozen['version']}"
        params = (contestants, cases)
        # Names by which `mlpperf history` knows results of a hot path.
        param_names = ("hot-path variant", "case")
        skip_params = contest
        rounds = ROUNDS
        repeat = (3, 5, 0.5)  # samples at least, at most, and seconds of them, per process
        warmup_time = 0.05

        def time_call(self, contestant: str, case: str) -> None:
            contest.work()

        def between_samples(contestant: str, case: str) -> None:  # is when asv tears down
            contest.move()

        time_call.teardown = between_samples

        def track_relative_time(self, variant: str, case: str) -> dict[str, Any]:
            # What asv takes for the samples of a time, it takes for samples of anything.
            return {"samples": contest.relative_times(), "number": 1}

        # A reference that has no variant is compared with itself: there must be something.
        track_relative_time.params = (contestants[1:] or contestants, cases)
        track_relative_time.unit = "ratio"
        track_relative_time.rounds = ROUNDS  # asv takes this for samples of any kind, too

        def track_allocated(self, contestant: str, case: str) -> int:
            return contest.allocated()

        track_allocated.unit = "bytes"

        def peakmem_call(self, contestant: str, case: str) -> None:
            unproven.work()

        def afterwards(contestant: str, case: str) -> None:  # as the reference would set the peak
            unproven.prove()

        peakmem_call.params = (contestants, [frozen["largest"]])
        peakmem_call.skip_params = unproven
        peakmem_call.teardown = afterwards

    Benchmarks.__name__ = Benchmarks.__qualname__ = contest.name
    return Benchmarks


CONTESTS = {name: Contest(name, frozen) for name, frozen in FROZEN.items()}
check_cases(sorted({case for frozen in FROZEN.values() for case in frozen["cases"]}))
globals().update({name: _benchmarks(c) for name, c in CONTESTS.items()})

# asv's fork server imports this file once for a commit, and every benchmark begins as a copy of it:
# the data are loaded once and not 150 times.
if "run_server" in sys.argv:
    for contest in CONTESTS.values():
        contest.preload()
