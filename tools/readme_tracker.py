"""The blocks of README and docs about the tracker: its rates, and its results elsewhere."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

from mlpperf.engine.calibrate import show as calibrate_show
from mlpperf.engine.calibrate.recorded import CalibrationRecord, grouped_for_display, series_of
from mlpperf.engine.calibrate.trials import Rate, detection_rates
from mlpperf.engine.history.records import Fields
from mlpperf.engine.machine.machine import BUSY
from mlpperf.engine.words import by_percent, seconds
from readme_tables import lines, machine, markdown, on_the_last_machine, records, where
from showcase import address_of


def calibration(folder: Path) -> str:
    """The rates of each tracker at every size of slowdown, with the command that repeats them."""
    groups: dict[Hashable, list[CalibrationRecord]] = {}
    for number, shown in enumerate(grouped_for_display(calibrations(folder))):
        for record in shown:
            groups.setdefault((number, machine(record)), []).append(record)
    parts = []
    for group in groups.values():
        last = group[-1]
        cases = [f"--series {case}" for case in last.cases]
        words = ["mlpperf calibrate", *cases, f"--budget {last.budget:g}"]
        if last.tracker != "mlpperf":
            words = ["python benchmarks/trackers.py", last.tracker, *cases]
        asked = f"`{' '.join(words)}`"
        if is_elsewhere(last):
            asked += " in another project, whose commit is named"
        if last.busy > BUSY:
            asked += ", while other processes kept the machine busy"
        rates = detection_rates([record.trial for record in group])
        table = calibrate_show.calibration(rates).to_markdown()
        parts.append(f"{asked}, {series_of(group)} series:\n\n{table}\n\n{where(*group)}")
    return "\n\n".join(parts)


def is_elsewhere(record: CalibrationRecord) -> bool:
    """Whether another project was calibrated: tests are targets there, not hot paths."""
    return any("::" in target for target in record.targets)


def calibrations(folder: Path) -> list[CalibrationRecord]:
    """All that are recorded."""
    return records(folder, CalibrationRecord)


HUNTED = ("layout", "suite", "reach", "place")


def hunt(folder: Path) -> str:
    """Exit codes of comparisons of small projects in which the work was doubled, by their shape."""
    every = on_the_last_machine(lines(folder, "hunts"))
    slower = [r for r in every if not r["equal"]]
    equal = [r for r in every if r["equal"]]
    rows = []
    for column in HUNTED:
        for name in dict.fromkeys(r[column] for r in slower):
            of = [r for r in slower if r[column] == name]
            codes = [sum(r["exit_code"] == code for r in of) for code in (1, 2, 0)]
            rows.append((column, name, *map(str, codes)))
    rows.sort(key=lambda row: (HUNTED.index(row[0]), row[1]))
    codes = [sum(r["exit_code"] == code for r in slower) for code in (1, 2, 0)]
    rows.append(("all", "", *map(str, codes)))
    table = markdown(("what differs", "", "found", "refused", "passed"), rows, left=2)
    alarms = sum(r["exit_code"] == 1 for r in equal)
    sentence = f"If only a comment was changed, {alarms} of {len(equal)} raised an alarm."
    return "\n\n".join((table, sentence, where(*every)))


def regressions(folder: Path) -> str:
    """Which planted regressions are named by the first cause in the JSON of a comparison."""
    every = on_the_last_machine(lines(folder, "regressions"))
    latest = {(r["project"], r["what"]): r for r in every}.values()
    columns = ("project", "regression", "planted in", "first cause")
    rows = [
        (
            r["project"],
            r["what"],
            f"`{r['function']}` ({r['file']})",
            "the same" if r["named"] else ", ".join(r["parts"]) or f"none: code {r['exit_code']}",
        )
        for r in latest
    ]
    table = markdown(columns, rows, left=4)
    named = sum(r["named"] for r in latest)
    sentence = f"Named: {named} of {len(latest)}."
    return "\n\n".join((table, sentence, where(*latest)))


EXPERIMENT_COLUMNS = ("program", "with", "counted", "result", "95 % interval")


def experiments(folder: Path) -> str:
    """What the programs in `benchmarks/` counted in all of their runs, by machine."""
    machines: dict[Hashable, list[Fields]] = {}
    for record in lines(folder, "experiments"):
        machines.setdefault(machine(record), []).append(record)
    return "\n\n".join(map(_counted, machines.values()))


def _counted(every: list[Fields]) -> str:
    rates: dict[tuple[str, str, str], Rate] = {}
    for record in every:
        key = record["program"], record["subject"], record["what"]
        before = rates.get(key, Rate(0, 0))
        rates[key] = Rate(before.hits + record["hits"], before.of + record["of"])
    rows = [
        (f"`{program}`", subject, what, f"{rate.hits} of {rate.of}", calibrate_show.bounds(rate))
        for (program, subject, what), rate in sorted(rates.items())
    ]
    return f"{markdown(EXPERIMENT_COLUMNS, rows, left=3)}\n\n{where(*every)}"


GAUNTLET_COLUMNS = (
    *("project, head", "change, as its author describes it", "measured"),
    *("slower", "faster", "unchanged", "undecided", "skipped", "time"),
)


def gauntlet(folder: Path) -> str:
    """Comparisons of public projects, by machine: the newest of each pair, and of equal code."""
    machines: dict[Hashable, list[Fields]] = {}
    for record in lines(folder, "gauntlet"):
        machines.setdefault(machine(record), []).append(record)
    return "\n\n".join(map(_of_a_machine, machines.values()))


def _of_a_machine(every: list[Fields]) -> str:
    pairs = {(r["project"], r["base"], r["head"]): r for r in every if r["kind"] == "pair"}
    rows = [
        (
            f"{r['project']} {r['head']}",
            f"{r['what']}: {r['expected']}",
            _as_meant(r),
            *(str(len(r[side])) for side in ("slower", "faster")),
            *(str(r.get(verdict, "–")) for verdict in ("unchanged", "undecided", "untouched")),
            seconds(r["seconds"]) if r["seconds"] else "–",
        )
        for r in pairs.values()
    ]
    same: dict[str, list[Fields]] = {}
    for r in every:
        if r["kind"] == "same":
            same.setdefault(r["project"], []).append(r)
    alarms = [
        f"{project} {sum(bool(r['slower'] or r['faster']) for r in of)} of {len(of)}"
        for project, of in same.items()
    ]
    parts = [markdown(GAUNTLET_COLUMNS, rows, left=3)]
    others = {
        (r["project"], r["base"], r["head"], r["kind"]): r
        for r in every
        if r["kind"] not in ("pair", "same")
    }
    if others:
        parts.append("The same pairs with other trackers, which report changes of at least 5 %:")
        parts.append(markdown(BESIDE_COLUMNS, [_beside(r) for r in others.values()], left=4))
    if alarms:
        parts.append(
            f"Comparisons of a commit with itself that raised an alarm: {', '.join(alarms)}."
        )
    return "\n\n".join([*parts, where(*every)])


BESIDE_COLUMNS = (*GAUNTLET_COLUMNS[:2], "tracker", "result", "time")


def _beside(record: Fields) -> tuple[str, ...]:
    """The result of another tracker: how many series changed, and how many of the intended ones."""
    meant = {s: sum(record["told"] in name for name in record[s]) for s in ("slower", "faster")}
    result = record["verdict"]
    if any(meant.values()) and record["expected"] != "nothing":
        result += f"; of the intended ones {meant['slower']} and {meant['faster']}"
    return (
        f"{record['project']} {record['head']}",
        f"{record['what']}: {record['expected']}",
        record["kind"],
        result,
        seconds(record["seconds"]) if record["seconds"] else "–",
    )


def _as_meant(record: Fields) -> str:
    """The range of the significant changes of the series that the author had in mind."""
    if not record["series"] and record["exit_code"] == 2:
        return "refused"
    every = {**record["slower"], **record["faster"]}
    changes = sorted(100 * (r[0] - 1) for name, r in every.items() if record["told"] in name)
    if not changes or record["expected"] == "nothing":
        return "nothing" if not every else "something"
    low, high = (f"{change:+.1f}" for change in (changes[0], changes[-1]))
    return f"{low} %" if len(changes) == 1 else f"{low} to {high} %"


HISTORY_COLUMNS = ("commit", "message", "benchmark", "change")


def histories(folder: Path) -> str:
    """The newest history of each public project: a row for each step."""
    newest = {r["project"]: r for r in lines(folder, "histories")}
    return "\n\n".join(map(_history, newest.values()))


def _history(record: Fields) -> str:
    rows = [
        (
            step["commit"],
            step["subject"],
            step["series"].rpartition("::")[2],
            "{} ({} to {})".format(*(by_percent(step[name]) for name in ("ratio", "low", "high"))),
        )
        for step in record["steps"]
    ]
    summary = (
        f"{record['project']}, {record['commits']} commits from {record['first']} to "
        f"{record['last']}, {record['series']} benchmarks: {record['comparisons']} comparisons in "
        f"{record['seconds'] / 60:.0f} minutes. {record['timed']} of them had anything to time; "
        f"their median error is {100 * record['error']:.1f} %."
    )
    return f"{summary}\n\n{markdown(HISTORY_COLUMNS, rows, left=4)}\n\n{where(record)}"


def example(folder: Path) -> str:
    """The project whose report the documentation carries, and how much was compared."""
    every = lines(folder / "example", "comparisons")
    address = address_of(folder / "example")
    commits = {commit for r in every for commit in r["commits"].values()}
    series = max(len(r["series"]) for r in every)
    project = address.rpartition("/")[2].removesuffix(".git")
    # The records name commits of that project, not of this one.
    about = where(*(r | {"commit": {"hash": None, "dirty": False}} for r in every))
    return (
        f"The project is [{project}]({address}): {len(every)} comparisons of {len(commits)} "
        f"commits, with up to {series} benchmarks.\n\n{about.replace(', no commit', '')}"
    )


SCALE_COLUMNS = ("rows", "commits", "records", "report", "memory", "history page")


def scale(folder: Path) -> str:
    """Time and memory of the newest report of each simulated history, the smallest first."""
    newest = {r["rows"]: r for r in on_the_last_machine(lines(folder, "scales"))}
    rows = [
        (
            f"{r['rows']:,}",
            f"{r['commits']:,}",
            f"{r['file'] / 1e9:.1f} GB",
            f"{r['seconds']:.0f} s",
            f"{r['memory'] / 1e9:.1f} GB",
            f"{r['history_page'] / 1e6:.1f} MB",
        )
        for _, r in sorted(newest.items())
    ]
    return f"{markdown(SCALE_COLUMNS, rows, left=0)}\n\n{where(*newest.values())}"
