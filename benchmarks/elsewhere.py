"""What a backfill found in a project that nobody here wrote.

    git clone PROJECT FOLDER && cd FOLDER
    mlpperf backfill A..B --records RECORDS
    python benchmarks/elsewhere.py FOLDER A..B RECORDS [--records OURS]

Of the comparisons in `RECORDS` a line of `histories.jsonl` is made, with the steps they show; the
table in the documentation is written from these.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlpperf.engine.history.recording import Recording
from mlpperf.engine.levels.gathering import Levels, gathered
from mlpperf.engine.levels.lineage import chosen
from mlpperf.engine.levels.show import place, steps


def found(levels: Levels) -> dict[str, Any]:
    """What is kept of it."""
    lineage = levels.lineage
    errors = [fit.network.error[fit.network.measured] for fit in levels.fits.values()]
    return {
        "first": lineage[0].short,
        "last": lineage[-1].short,
        "commits": len(lineage),
        "series": len(levels.fits),
        "comparisons": len(levels.links),
        "timed": sum(bool(link.record.outcomes.timed.any()) for link in levels.links),
        "seconds": sum(link.record.seconds for link in levels.links),
        "error": float(np.median(np.concatenate([np.zeros(0), *errors]))),
        "steps": [
            {
                "commit": place(told.step, lineage),
                "subject": lineage[told.step.where.last].subject,
                "series": told.series.name,
                "ratio": told.step.ratio.median,
                "low": told.step.ratio.low,
                "high": told.step.ratio.high,
            }
            for told in steps(levels)
        ],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="the clone")
    parser.add_argument("commits", help="A..B")
    parser.add_argument("compared", type=Path, help="folder with the records of the backfill")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = parser.parse_args(arguments)
    recording = Recording("history", "histories", given.records)
    levels = gathered(given.compared, chosen(given.commits, given.folder))
    recording.add({"project": given.folder.resolve().name, **found(levels)})
    print(recording.location)


if __name__ == "__main__":
    main()
