"""Plants ten regressions, and counts those that a program finds by the JSON of `compare` alone.

    python benchmarks/regressions.py [--project CLONE] [--only KIND] [--budget 45]

Each of ten kinds makes a function slower in the last commit of a project of several modules, which
also alters functions of other modules without effect. `mlpperf compare HEAD~1 --why --format json`
runs there, and a reader that knows nothing but its output, by the published schema, says the file
and the function of the first cause. In a clone, the kinds are statements in functions that its
benchmarks run. It ends with 1 if fewer than eight of ten are named, or the output does not fit the
schema. What comes of it is a record each in `regressions.jsonl`; the table in the documentation is
written from these.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from mlpperf.engine.history.recording import Recording
from planting import KINDS, Clone, Guilty, Kind, town

NAMED_LEAST = 0.8  # of the regressions
SCHEMA = Path(__file__).parents[1] / "docs/comparison.schema.json"


def first_cause(comparison: Mapping[str, Any]) -> list[str]:
    """The parts of a change that the first cause names, by the JSON of `compare` alone."""
    for explanation in (comparison.get("causes") or {"explanations": []})["explanations"]:
        for effect in explanation["effects"]:
            if effect["cause"]:
                return list(effect["parts"])
    return []


def place(part: str) -> Guilty | None:
    """The file and the function that a part stands for; None for a part that is no function."""
    match = re.fullmatch(r"(\S+) \((.+):\d+\)", part)
    return Guilty(match[2], match[1]) if match else None


def compared(project: Path, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The comparison of the last two commits, with the causes of what became slower."""
    command = [sys.executable, "-m", "mlpperf", "compare", "HEAD~1", "--why", "--format", "json"]
    environ = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    return subprocess.run(
        [*command, *options], cwd=project, capture_output=True, text=True, env=environ
    )


def trials(
    kinds: Mapping[str, Kind], source: Path | None, budget: str, rng: random.Random
) -> Iterator[dict[str, Any]]:
    """What the comparison of each planted regression gives."""
    with tempfile.TemporaryDirectory(prefix="regressions-") as temporary:
        clone = Clone(source, Path(temporary, "clone"), rng) if source else None
        for number, (name, kind) in enumerate(kinds.items()):
            options = ["--budget", budget]
            if clone:
                project = clone.project
                guilty, slower = clone.plant(kind)
                options += ["--series", slower[0].name]
            else:
                project = Path(temporary, str(number))
                guilty = town(kind, project, rng)
            start = time.perf_counter()
            done = compared(project, options)
            seconds, parts, fault = time.perf_counter() - start, list[str](), ""
            verdict = done.stderr.strip()
            try:
                comparison = json.loads(done.stdout)
                jsonschema.validate(comparison, json.loads(SCHEMA.read_text(encoding="utf-8")))
                parts, verdict = first_cause(comparison), comparison["verdict"]
                unknown = [one for one in comparison["trouble"] if "The causes" in one]
                verdict = " ".join([verdict, *unknown])
            except (ValueError, jsonschema.ValidationError) as reason:
                fault = str(reason).splitlines()[0]
            yield {
                "project": source.name if source else "town",
                "what": name,
                **guilty._asdict(),
                "parts": parts,
                "named": [place(part) for part in parts] == [guilty],
                "fault": fault,
                "exit_code": done.returncode,
                "verdict": verdict,
                "seconds": seconds,
            }


def main() -> int:
    """Plant, compare, and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--project", type=Path, help="a clone; by default the small project")
    parser.add_argument("--only", default="", help="kinds that have this text in their name")
    parser.add_argument("--budget", default="45", help="seconds, as of compare")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = parser.parse_args()
    kinds = {name: kind for name, kind in KINDS.items() if given.only in name}
    recording, named, faults = Recording("regression", "regressions", given.records), 0, 0
    for one in trials(kinds, given.project, given.budget, random.Random(given.seed)):
        recording.add(one)
        named, faults = named + one["named"], faults + bool(one["fault"])
        told = one["fault"] or ", ".join(one["parts"]) or f"no cause. {one['verdict']}"
        right = "named " if one["named"] else "MISSED"
        print(f"{right} {one['what']}, {one['function']} ({one['file']}): {told}", flush=True)
    print(f"The first cause is the planted function in {named} of {len(kinds)}.")
    return int(named < NAMED_LEAST * len(kinds) or faults > 0)


if __name__ == "__main__":
    sys.exit(main())
