"""The gauntlet: comparisons of public projects that nobody here wrote, by the suites they have.

    python benchmarks/gauntlet.py FOLDER [--project NAME] [--same 10] [--skip-pairs] [--against asv]

`FOLDER` holds clones of the projects under their own names. They are cloned from there again, and
nothing of theirs is changed. Every pair of commits below is compared as its users would do it, with
no configuration, and so is every suite with itself, `--same` times. With `--against`, asv or
pytest-benchmark says instead what it sees of the same pairs. What comes of it is a record each in
`gauntlet.jsonl`; the tables in the documentation are written from these.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mlpperf.engine.history.recording import Recording
from mlpperf.engine.versions.prepare import pair as versions
from mlpperf.engine.versions.revisions import Revisions
from mlpperf.errors import MlpperfError
from trackers import TRACKERS, suite_tracker


class Pair(NamedTuple):
    """Two commits, what changed between them, and what its author says of the speed.

    `told` is the part of the names of series that are meant; `suite_of`, a later commit whose suite
    both get, if they have none; `extra`, packages that the suite needs besides the project's.
    """

    base: str
    head: str
    what: str
    expected: str
    told: str = ""
    suite_of: str = ""
    extra: tuple[str, ...] = ()


CODSPEED = ("pytest-codspeed",)
PAIRS: dict[str, tuple[Pair, ...]] = {
    "packaging": (
        Pair("4c663c9e", "cf100d20", "cached environment", "25 % faster", "time_evaluate"),
        Pair("210d8785", "e3af78f1", "wildcard comparison", "faster", "TimeSpecSuite", "cf100d20"),
        Pair("baa9ea8c", "f2bbd4f5", "key of a version", "faster", "TimeVersionSuite", "cf100d20"),
        Pair("828ce630", "00e4d003", "tokenizer", "faster", "time_constructor", "cf100d20"),
        Pair("4c362e39", "c7d859d1", "files, but no code", "nothing", suite_of="cf100d20"),
    ),
    "graphql-core": (
        Pair("020ec1f1", "629b763a", "frozen dataclasses", "much faster", "test_parse"),
        Pair("b362c798", "ec48bb42", "build_resolve_info", "a little faster", "test_execut"),
        Pair("a4b1d6f7", "bf902f9f", "files, but no code", "nothing"),
    ),
    "pluggy": (Pair("387c7422", "12880913", "a cast", "up to 15 % faster", "test_call_hook"),),
    "networkx": (
        Pair("8d58e6c9", "7f7afab1", "all shortest paths", "10 % faster", "shortest_paths"),
        Pair("951201ee", "c1c468d5", "all shortest paths", "30–40 % faster", "shortest_paths"),
        Pair("690451c4", "adfde01e", "harmonic centrality", "faster", "harmonic"),
        Pair("2d4a49f0", "c7887a0b", "files, but no code", "nothing"),
    ),
    "markdown-it-py": (
        Pair("1a43fa3e", "c5161b55", "text rule", "10 % faster", "test_spec"),
        Pair("89331476", "d4ea0ca7", "joining of fragments", "linear, not quadratic"),
    ),
    "attrs": (
        Pair("57f0d544", "7369ad9f", "asdict", "faster", "asdict", "c1dc5dcb"),
        Pair("6ef8d73d", "1315e42f", "astuple", "faster", "astuple", "c1dc5dcb"),
    ),
    "cattrs": (
        Pair("8196a2e4", "39e698f0", "unstructuring of iterables", "faster", "unstructure"),
    ),
    "deepdiff": (Pair("791bdfa6", "8121be35", "memoryview", "no claim"),),
    "fastapi": (
        Pair("87095aa5", "7bcb78d1", "dependencies for OpenAPI", "faster", "openapi",
             extra=("httpx2", "inline-snapshot", "python-multipart", "pytest-codspeed")),
    ),
    "nested-pandas": (
        Pair("71786038", "bd0a3833", "count_nested", "faster", "CountNestedBy"),
        Pair("cf288d7c", "3d3b6e0e", "_is_nested_column", "faster"),
    ),
    "param": (
        Pair("b1ddb009", "7e74680f", "instantiation of parameters", "faster"),
        Pair("7698658d", "d82d219f", "initialization of parameters", "faster"),
    ),
    "pint": (Pair("ef77491d", "471abc80", "fractions in conversions", "no claim", "test_convert"),),
    "psygnal": (
        Pair("7caa5de7", "837406ea", "evented models without callbacks", "faster", "Evented"),
        Pair("459828cd", "e9ee4969", "evented set", "faster", "EventedSet"),
    ),
    "pylint": (Pair("f286599b", "33e1fff2", "sorting of imports", "faster"),),
    "strawberry": (
        Pair("53856226", "87df8093", "input conversion", "no claim", "arguments",
             extra=("pytest-codspeed", "pytest-asyncio", "pytest-emoji", "pytest-mock",
                    "pytest-snapshot", "pydantic", "aiohttp")),
    ),
    "uncertainties": (Pair("fe3461be", "a3199dc6", "a check of each number", "no claim"),),
    "omegaconf": (
        Pair("a6f45ae1", "8126be33", "unions of structured configs", "no claim",
             extra=("attrs", "pytest-mock")),
    ),
    "sparse": (
        Pair("f65a764", "fa58c7e", "reshaping to the same shape", "faster", "reshape",
             extra=("scipy", "pytest-codspeed")),
    ),
    "xarray": (Pair("f7e47a197", "b8bfeca32", "Coordinates.to_index", "faster"),),
    # These are compiled.
    "multidict": (
        Pair("7129ac3b", "acdd2d16", "getall in C", "faster", "getall", extra=CODSPEED),
        Pair("20515ba3", "6097b608", "extending in C", "faster", "extend", extra=CODSPEED),
    ),
    "yarl": (
        Pair("99079e31", "194ab701", "unquoter in Cython", "much faster", "unquoter_long",
             extra=CODSPEED),
    ),
    "python-zeroconf": (
        Pair("9f6af54e", "783c1b37", "parsing of records", "faster", "parse_incoming",
             extra=CODSPEED),
    ),
    "dbus-fast": (
        Pair("e1aaf0a3", "d376bb13", "unmarshalling of variants", "faster", "unmarshall",
             extra=CODSPEED),
    ),
}  # fmt: skip


def compared(clone: Path, base: str, head: str, *options: str) -> tuple[int, dict[str, Any], str]:
    """What `mlpperf compare` says there: exit code, record, and what it wrote besides."""
    records = clone.parent / "records"
    command = [sys.executable, "-m", "mlpperf", "compare", base, head, "--format", "json"]
    done = subprocess.run(
        [*command, "--records", str(records), *options],
        cwd=clone,
        capture_output=True,
        text=True,
        env={**os.environ, "VIRTUAL_ENV": sys.prefix},
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr.strip()


def record(project: str, pair: Pair, kind: str, said: tuple[int, Any, str]) -> dict[str, Any]:
    """What is kept of a comparison: which series changed, by how much, and how long it took."""
    code, result, error = said
    series = result.get("series", [])

    def changed(verdict: str) -> dict[str, list[float]]:
        return {
            _name(one): [one["ratio"][key] for key in ("median", "low", "high")]
            for one in series
            if one["verdict"] == verdict
        }

    half_widths = sorted(
        (one["ratio"]["high"] - one["ratio"]["low"]) / 2 for one in series if one["processes"]
    )
    return {
        "project": project,
        **pair._asdict(),
        "kind": kind,
        "slower": changed("slower"),
        "faster": changed("faster"),
        "series": sum(bool(one["processes"]) for one in series),
        "untouched": len(result.get("untouched", ())),
        "undecided": sum(one["verdict"].startswith("undecided") for one in series),
        "unchanged": sum(one["verdict"].startswith("unchanged") for one in series),
        "half_width": half_widths[len(half_widths) // 2] if half_widths else None,
        "suites": list(result.get("suites", {})),
        "seconds": result.get("total"),
        "busy": result.get("busy"),
        "exit_code": code,
        "verdict": result.get("verdict", error),
    }


def against(tracker: str, clone: Path, pair: Pair) -> dict[str, Any] | None:
    """What another tracker says of a pair; None where it has no suite."""
    with tempfile.TemporaryDirectory(prefix="mlpperf-gauntlet-") as folder:
        into = Path(folder)
        suite = pair.suite_of or None
        wanted = Revisions(pair.base, pair.head, benchmarks=suite, extra=pair.extra)
        made = versions(wanted, clone, into)
        if made.runtime is None or tracker.partition("-")[0] not in {s.kind for s in made.suites}:
            return None
        try:
            said = suite_tracker(tracker, made.suites, made.runtime)(made.base, made.head, into)
        except MlpperfError as reason:
            return {"verdict": str(reason), "slower": {}, "faster": {}, "seconds": None}
    slower, faster = ({s.name: [] for s in found} for found in (said.slower, said.faster))
    verdict = f"{len(slower)} slower, {len(faster)} faster"
    return {"verdict": verdict, "slower": slower, "faster": faster, "seconds": said.seconds}


def _name(one: dict[str, Any]) -> str:
    joint = "::" if one["suite"] == "pytest" else "."
    return f"{one['path']}{joint}{one['variant']}{one['case']}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it all, or what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="with clones of the projects")
    parser.add_argument("--project", action="append", choices=list(PAIRS), help="only this one")
    parser.add_argument("--head", action="append", help="only the pair with this later commit")
    parser.add_argument("--same", type=int, default=0, help="comparisons of each suite with itself")
    parser.add_argument("--budget", help="seconds for each comparison; the usual ones by default")
    parser.add_argument("--skip-pairs", action="store_true", help="only those")
    parser.add_argument("--against", choices=list(TRACKERS), help="another tracker, on the pairs")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = parser.parse_args(arguments)
    recording = Recording("gauntlet", "gauntlet", given.records)
    for project in given.project or PAIRS:
        pairs = [pair for pair in PAIRS[project] if not given.head or pair.head in given.head]
        if not pairs:
            continue
        with tempfile.TemporaryDirectory(prefix="mlpperf-gauntlet-") as folder:
            clone = Path(folder) / project
            source = given.folder / project
            subprocess.run(["git", "clone", "--quiet", str(source), str(clone)], check=True)
            if given.against:
                for pair in pairs:
                    if said := against(given.against, clone, pair):
                        about = {"project": project, **pair._asdict(), "kind": given.against}
                        recording.add({**about, **said})
                        print(f"{project} {pair.base} ({given.against}): {said['verdict']}")
                continue
            courses = [] if given.skip_pairs else [(pair, "pair") for pair in pairs]
            courses += [(pairs[0]._replace(expected="nothing"), "same")] * given.same
            for pair, kind in courses:
                # Where no code changed, as if it had: there is nothing to find otherwise.
                base, options = pair.base, ["--all"] * (pair.expected == "nothing")
                if kind == "same":
                    base, options = pair.head, ["--all"]
                if given.budget:
                    options += ["--budget", given.budget]
                if pair.suite_of:
                    options += ["--benchmarks", pair.suite_of]
                options += [f"--with={name}" for name in pair.extra]
                recording.add(
                    record(project, pair, kind, compared(clone, base, pair.head, *options))
                )
                last = recording.written[-1]
                print(f"{project} {base} {pair.head} ({kind}): {last['verdict']}", flush=True)
    print(recording.location)


if __name__ == "__main__":
    main()
