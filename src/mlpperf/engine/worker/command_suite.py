"""Commands as a suite: each call is a process of its own, which runs the files of its version.

Nothing of the project is imported here, so both versions always share a worker: its calls take
turns, and what is timed is the time from the start of a process to its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .calls import CallTime
from .clocks import time
from .dry_run import CALLED_AGAIN, noting
from .isolation import TEMPORARY, temporary_of
from .lines import begins
from .origins import CHILD, COPY, HOME, REPORT, UNKNOWN, Origins, scripts_first
from .process_call import Ended, called, peak_of
from .protocol import DryRun, MemoryCounts, Names, Side, Task
from .runner import Clock, Runner
from .suite import Copy, FailedError, MixedError, NotTimedError, SeriesError
from .timeout import TooLongError, at_most

PATH = "commands"  # of the series' names
PYTHONS = ("python", "python3")
# Output with the time in it is the same twice within a second.
NEXT_SECOND = 1.1
# Runs more of each version, if the output of only one has varied so far.
RUNS_MORE = 5
NO_MEMORY = "its memory was not measured, because the process that does so died; compare again"


class CommandCopy(Copy):
    """The commands, run in the copy of a version."""

    def __init__(self, side: Side, name: str, arguments: list[str], home: Origins) -> None:
        self._commands = json.loads(arguments[0])
        self._python, *packages = json.loads(arguments[1])[name]
        self._side, self._name = side, name
        self._origins = Origins(home.home)
        self._origins.copy = side.whole
        self.series = [(PATH, "", command) for command in self._commands]
        self.broken, self.loading = {}, {}
        self._folders = [*side.folders, *packages]
        self._left: dict[Names, list[Path]] = {}
        self._temporary = temporary_of(name)

    def begin(self, series: Names, following: Names | None) -> Runner:
        """What runs the command once."""
        return _CommandRunner(self, series)

    def call(self, series: Names, report: str = "") -> Ended:
        """Run a command; its Python processes list their modules in the file `report`, if given.

        `SeriesError` is raised if it does not end as it should.
        """
        with self._leaving_nothing(series):
            ended = called(*self._how(series, report))
        return self._ended_well(series, ended)

    def runs(self, series: Names) -> list[Ended]:
        """A run; if it leaves something, also the next one, which finds that."""
        with self._leaving_nothing(series) as leaves:
            ended = [self._ended_well(series, called(*self._how(series)))]
            if leaves():
                ended.append(self._ended_well(series, called(*self._how(series))))
        return ended

    def peak(self, series: Names) -> tuple[int | None, Ended]:
        """The peak memory of a command in bytes, None if that is unknown, and how it ended.

        Raises as `call` does.
        """
        with self._leaving_nothing(series):
            peak, ended = peak_of(*self._how(series))
        return peak, self.call(series) if peak is None else self._ended_well(series, ended)

    @contextlib.contextmanager
    def _leaving_nothing(self, series: Names) -> Iterator[Callable[[], bool]]:
        """Remove at the end what runs leave in the folder of their version; yields whether they do.

        The first ones show what that is. `NotTimedError` is raised if they change what was there.
        """
        first = series not in self._left
        before = _sizes(self._side.whole) if first else {}

        def leaves() -> bool:
            return bool(_sizes(self._side.whole).keys() - before if first else self._left[series])

        after = dict[str, int]()
        try:
            yield leaves
        finally:
            if first:
                after = _sizes(self._side.whole)
                self._left[series] = [Path(place) for place in after if place not in before]
            for place in self._left[series]:
                _remove(place)
        for own, size in before.items():
            if after.get(own) != size:
                name = os.path.relpath(own, self._side.whole)
                raise NotTimedError(
                    f"it changes {name} of its version, so its next run would not do the same: "
                    "let it work on a copy, as `sh -c` can make one"
                )

    def _how(self, series: Names, report: str = "") -> tuple[list[str], dict[str, str], str, bytes]:
        """What is run, with which variables, in which folder, with which input."""
        command = self._commands[series[2]]
        environment = self._environment(command["environment"], report)
        words = self._words(command["command"], environment["PATH"])
        return words, environment, self._side.root, command["input"].encode()

    def _ended_well(self, series: Names, ended: Ended) -> Ended:
        command = self._commands[series[2]]
        if ended.code != command["exit-code"]:
            last = ended.errors.decode(errors="replace").strip().splitlines()[-1:]
            how = f"signal {-ended.code} ended it" if ended.code < 0 else f"exit code {ended.code}"
            raise FailedError(": ".join([how, *last]))
        return ended

    def output(self, series: Names, ended: Ended) -> bytes | None:
        """What a call printed, without the folders of its version; None if that is not compared."""
        if not self._commands[series[2]]["compare-output"]:
            return None
        output = ended.output
        for folder in (self._side.whole, self._temporary):
            for place in (os.path.realpath(folder), folder):
                output = output.replace(place.encode(), b"")
        return output

    def check(self, series: Names) -> None:
        """Run a command once, and check that it runs the files of its version.

        `MixedError` is raised if it runs files of the user's working tree, or of an installed
        version, and `NotTimedError` if it is not known whose files it runs.
        """
        with tempfile.NamedTemporaryFile(prefix="modules-") as file:
            self.call(series, file.name)
            lines = Path(file.name).read_text(encoding="utf-8", errors="replace").splitlines()
        listed = [line.split(" ", 2) for line in lines]
        program = self._how(series)[0][0]
        modules = {(one[1], one[2]) for one in listed if len(one) == 3 and one[0] == "module"}
        runs = {("the program", program), *modules}
        below = os.path.realpath(self._side.whole) + os.sep
        own = {place for place in runs if os.path.realpath(place[1]).startswith(below)}
        for module, place in sorted(runs - own):
            package = module.partition(".")[0]
            if self._origins.is_home(place) or package in self._side.packages:
                raise MixedError(self._name, f"{module} from {place}")
        if any(one[0] == "apart" for one in listed) and self._is_installed():
            raise NotTimedError(f"{UNKNOWN}; uninstall the project from the environment")
        if not own:
            raise NotTimedError(
                "it runs no file of the project, or starts Python with -I, -E or -S, so it is not "
                "known which version it runs"
            )

    def _is_installed(self) -> bool:
        """Whether Python finds a package of the project without being led to a version."""
        finds = "import sys; from importlib.util import find_spec as f; "
        finds += "sys.exit(any(map(f, sys.argv[1:])))"
        words = [self._python, "-E", "-c", finds, *self._side.packages]
        return called(words, os.environ, self._temporary).code != 0

    def _words(self, words: list[str], path: str) -> list[str]:
        """A command with the place of its program."""
        first, *others = words
        if first.startswith("import:"):
            return [self._python, "-c", f"import {first.partition(':')[2]}"]
        if first in PYTHONS:
            return [self._python, *others]
        place = Path(self._side.root, first) if os.sep in first else first
        program = shutil.which(str(place), path=path)
        if program is None:
            quoted = "; leave out the quotes around all its words" if " " in first else ""
            raise FailedError(f"there is no command {first!r}{quoted}")
        return [program, *others]

    def _environment(self, given: Mapping[str, str], report: str) -> dict[str, str]:
        """The variables of a command, which lead to the files of its version.

        These come before what the variables that it is given lead to.
        """
        kept = {name: v for name, v in os.environ.items() if name not in (HOME, COPY, REPORT)}
        variables = {**kept, **dict.fromkeys(TEMPORARY, self._temporary), **given}
        places = [self._place(one) for one in variables.get("PYTHONPATH", "").split(os.pathsep)]
        folders = [*([CHILD] if report else []), *self._folders, *filter(None, places)]
        variables["PYTHONPATH"] = os.pathsep.join(folders)
        search = scripts_first(self._side.whole, self._python, variables).split(os.pathsep)
        variables["PATH"] = os.pathsep.join(str(Path(self._side.root, one)) for one in search)
        return {**variables, **({REPORT: report} if report else {})}

    def _place(self, folder: str) -> str:
        """A folder of the user's repository in the copy; any other one as it is."""
        whole = str(Path(self._side.root, folder))
        return self._origins.moved(whole) if folder and self._origins.is_home(whole) else folder


def _sizes(folder: str) -> dict[str, int]:
    """The size of whatever is in a folder, but for compiled Python files."""
    sizes = dict[str, int]()
    for where, folders, files in os.walk(folder):
        sizes |= {f"{where}{os.sep}{one}": 0 for one in folders if one != "__pycache__"}
        places = [f"{where}{os.sep}{one}" for one in files if not one.endswith(".pyc")]
        sizes |= {place: os.lstat(place).st_size for place in places}
    return sizes


def _remove(place: Path) -> None:
    """Remove a file, a link or a folder, if it is there; raises `NotTimedError` if that fails."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            place.unlink()
    if os.path.lexists(place):
        raise NotTimedError(f"it leaves {place.name}, which cannot be removed before its next run")


class _CommandRunner(Runner):
    """Runs a command; its own time counts, not what is checked before and after."""

    def __init__(self, copy: CommandCopy, series: Names) -> None:
        super().__init__(lambda: copy.runs(series))

    def block(self, args: tuple[Any, ...] = (), clock: Clock = time.perf_counter_ns) -> float:
        """Seconds per call over one block."""
        calls = [one for _ in range(self.calls) for one in self.call()]
        self.cpu_seconds = [*self.cpu_seconds, *(one.cpu_seconds for one in calls)]
        return float(sum(one.seconds for one in calls) / len(calls))


def dry_run(versions: Any) -> Iterator[DryRun]:
    """Run each command in each version: whose files it runs, how it ends, and what it prints."""
    copies, task = versions.all(), versions.task
    for names in task.series:
        begins(names)
        answer, outputs = DryRun(names), dict[str, set[Any]]()
        for side, copy in copies.items():
            _run_through(copy, names, side, answer, outputs, task)
        if "base" in answer.untimed and "head" in answer.took:  # which is no new command for it
            answer.untimed["head"] = answer.untimed["base"]
            answer.took.clear()
        if len(answer.took) == len(copies):
            try:
                if len(copies) == 2 and outputs["base"] != outputs["head"]:
                    _run_on(copies, names, outputs, task.longest)
                notes = [compared(*outputs.values())]
                if answer.memory.keys() != copies.keys():
                    notes.append(NO_MEMORY)
                answer = replace(answer, note="; ".join(filter(None, notes)))
            except FailedError as reason:
                answer.failed["head"] = str(reason)
                del answer.took["head"]
            except NotTimedError as reason:
                answer.untimed.update(dict.fromkeys(copies, str(reason)))
                answer.took.clear()
        yield answer


def _run_through(
    copy: CommandCopy,
    names: Names,
    side: str,
    answer: DryRun,
    outputs: dict[str, set[Any]],
    task: Task,
) -> None:
    """Run a command in a version, at least twice, and note in the answer how that went."""
    with noting(answer, side, task.longest):
        with at_most(task.longest):
            copy.check(names)
        with at_most(task.longest):
            peak, first = copy.peak(names)
        calls, start = [[first]], time.perf_counter()
        while len(calls) < 2 or (
            len(calls) <= task.repeat and time.perf_counter() - start < CALLED_AGAIN
        ):
            with at_most(task.longest):
                calls.append(copy.runs(names))
        whole = sum(one.seconds for one in calls[-1])
        answer.took[side] = CallTime(whole / len(calls[-1]), whole, 0.0)
        if peak is not None:
            answer.memory[side] = {"peak": peak, "allocations": 0}
        outputs[side] = {copy.output(names, one) for one, *_ in calls}


def _run_on(
    copies: Mapping[str, CommandCopy], names: Names, outputs: dict[str, set[Any]], longest: float
) -> None:
    """Add what further runs print: a second later, and more if one version only seems to vary."""
    time.sleep(NEXT_SECOND)
    for number in range(1 + RUNS_MORE):
        if number and len({len(of) > 1 for of in outputs.values()}) == 1:
            return
        for side, copy in copies.items():
            try:
                with at_most(longest):
                    outputs[side].add(copy.output(names, copy.call(names)))
            except (SeriesError, TooLongError) as reason:
                outputs[side].add(str(reason).encode())


def compared(*outputs: set[Any]) -> str:
    """A note that the output of every version varies from run to run, if it does.

    Outputs of the base, if there is one, come first. Raises `FailedError` if no output of the head
    is the one of the base, and `NotTimedError` if only one version varies otherwise.
    """
    varies = [len(of) > 1 for of in outputs]
    if all(varies):
        return "its output differs from run to run, so it is not compared"
    base, head = outputs[0], outputs[-1]
    if not varies[0] and not base & head:
        how = _first_difference(min(base), min(head))
        also = ", and from run to run" if varies[-1] else ""
        raise FailedError(f"its output differs from that of the base{also}: {how}")
    if any(varies):
        raise NotTimedError(
            f"its output differs from run to run of the {'base' if varies[0] else 'head'} only: "
            "make it the same in each run, or give the command `compare-output = false` in "
            "[tool.mlpperf.commands]"
        )
    return ""


def _first_difference(base: bytes, head: bytes) -> str:
    """The first line that differs, in both."""
    lines = [text.decode(errors="replace").splitlines() for text in (base, head)]
    number = 0
    while all(number < len(of) for of in lines) and lines[0][number] == lines[1][number]:
        number += 1
    shown = [of[number][:60] if number < len(of) else "" for of in lines]
    return f"line {number + 1} is {shown[1]!r}, not {shown[0]!r}"


def memory(versions: Any) -> Iterator[MemoryCounts]:
    """The peak memory of each command in each version, in turns; no answer if it is unknown."""
    copies, task = versions.all(), versions.task
    for names in task.series:
        begins(names)
        peaks: dict[str, list[int | None]] = {side: [] for side in copies}
        for _ in range(task.calls):
            for side, copy in copies.items():
                with at_most(task.longest):
                    peaks[side].append(copy.peak(names)[0])
        counts = {side: [[peak, 0] for peak in of if peak] for side, of in peaks.items()}
        if all(len(of) == task.calls for of in counts.values()):
            yield MemoryCounts(names, counts)
