"""Whether anything is run that differs between two versions, and whether that could be seen at all.

Functions are seen as they begin, by a trace function in every thread; files as they are opened, run
or asked about, by an audit hook and by `asked`. So is what hides from these, such as processes:
then it is unknown what runs, and the answer is that it may be changed code.
"""

from __future__ import annotations

import _thread
import contextlib
import importlib
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from .asked import folder_of, on_asking, on_reading
from .callers import HERE, audit_hook, is_ours, outer_file
from .children import ended_children, has_children
from .execution import Place
from .native import hidden_by_compilers, readers_unheard
from .origins import is_of_another_project, is_standard
from .registrations import attribute
from .tops import Tops, is_computed

RUNS = "runs what changed in"
# How a reason ends that holds for all series: it was found while their suite was loaded.
WHEN_LOADED = " (when the suite is loaded)"
IN_GARBAGE = " when garbage is collected"  # which nothing times
PROCESSES = {"subprocess.Popen", "os.system", "os.exec", "os.spawn", "pty.spawn", "os.startfile"}
PROCESSES |= {"os.fork", "os.forkpty", "os.posix_spawn"}
THREADS = ("start_new_thread", "start_new", "start_joinable_thread")  # `threading` has its own
# What runs code in other interpreters, from Python 3.13 on, and before; it has no audit events.
INTERPRETERS = ("_interpreters", "_xxsubinterpreters")
TRACING = {"sys.settrace", "sys.setprofile", "sys.monitoring.register_callback"}
LISTED = {"os.listdir", "os.scandir", "glob.glob"}
FILES = {"open", "sqlite3.connect", "ctypes.dlopen", "os.rename", "os.link", *LISTED}
# Programs that plugins of pytest, and libraries as they are loaded, ask about the system.
ASKED = {"git", "hg", "file", "uname", "ldconfig", "gcc", "cc", "ld", "lscpu", "sysctl", "fc-list"}
IMPORT = "<frozen importlib._bootstrap_external>"
# These look for modules and installed packages in all folders of the path, whatever else is there.
LISTING = (IMPORT, os.path.join(os.path.dirname(importlib.__file__), "metadata"))  # noqa: PTH118, PTH120
BY_PYTEST = f"{os.sep}_pytest{os.sep}"


class Watch:
    """Notes what is run, imported or read of the files that differ, since the last `forget`.

    It is there for the rest of the process. As a context manager it watches the main thread;
    others are watched from their beginning.

    Parameters
    ----------
    effects : what comes of each file that differs, as `versions.following.Effect` has it.
    roots : the folder of each version, to which the paths of files are relative.
    wholes : that of its repository.
    packages : the names of the packages that are the project's own.

    Attributes
    ----------
    imported : why something that differs has been imported; nothing if it has not.
    stray : what comes from an installed project of the repository in place of what differs.
    entered : how often functions began, by their file, line and name.
    """

    def __init__(
        self,
        effects: Mapping[str, Mapping[str, Any]],
        roots: Mapping[str, str],
        wholes: Mapping[str, str],
        packages: Iterable[str] = (),
    ) -> None:
        self._packages, self.stray = frozenset(packages), ""
        self._effects = effects
        self._roots = {side: os.path.realpath(root) for side, root in roots.items()}
        self._files: dict[str, str] = {}  # by their real path
        self._lines: dict[str, list[tuple[int, int, str]]] = {}
        self._paths: dict[str, str] = {}  # real ones, by those of the code
        self._folders: dict[str, str] = {}  # which have an entry more in one version
        self._scanned: dict[str, str] = {}  # and those with data: an entry knows its size, too
        self._executed: dict[str, set[str]] = {side: set() for side in roots}
        tops: dict[str, list[tuple[int, int]]] = {}
        for name, effect in effects.items():
            self._note(name)
            for side, files in effect["lines"].items():
                for file, lines in files.items() if side in roots else ():
                    there = self._lines.setdefault(self._real(side, file), [])
                    there += [(first, last, name) for first, last in lines]
            for side, files in effect["tops"].items():
                for file, places in files.items() if side in roots else ():
                    tops.setdefault(self._real(side, file), []).extend(map(tuple, places))
        self._wholes = {side: os.path.realpath(whole) + os.sep for side, whole in wholes.items()}
        self._tops = Tops(tops, self._wholes, self._real_path)
        self._names = {os.path.basename(file) for file in self._files}  # noqa: PTH119
        # Not by the code objects: those of two versions are equal, whatever their files.
        self._known: dict[Place, frozenset[str]] = {}
        self.entered: dict[Place, int] = {}
        self._blind = self._seen = self._saw = self.imported = ""
        self._ran, self._children = set[str](), ended_children()
        self._loading, self._excused, self._calls_c, self._beats = True, False, False, 0
        if threading.active_count() > 1:
            self._blind = "threads were there before it could be watched"
        for name in THREADS:
            self._blinding(_thread, name, "starts threads that cannot be watched")
        for name in INTERPRETERS:
            with contextlib.suppress(ImportError):
                self._blinding(importlib.import_module(name), "create", "runs another interpreter")
        files = [attribute(module, "__file__") for module in list(sys.modules.values())]
        for place in map(os.path.realpath, filter(None, files)):  # such as of what runs the suite
            if os.path.basename(place) in self._names and not is_standard(place):  # noqa: PTH119
                self._audit_elsewhere(place)
        self.stray = ""  # what runs the suite is none of the project
        threading.settrace(self._look)
        sys.addaudithook(self._audit)
        on_asking(self._audit_asking)
        on_reading(self._audit_reading)

    def _note(self, name: str) -> None:
        """Watch for a file, and for the folders that come and go with it."""
        place = name
        while True:
            places = [self._real(side, place) for side in self._roots]
            in_both = all(map(os.path.lexists, places))
            if place == name or not in_both:
                self._files.update(dict.fromkeys(places, name))
            is_data = place == name and not name.endswith(".py")
            if not place or (in_both and not is_data):
                return
            place = os.path.dirname(place)  # noqa: PTH120
            folders = {self._real(side, place): name for side in self._roots}
            self._scanned.update(folders)
            if in_both:
                return
            self._folders.update(folders)

    def _blinding(self, module: Any, name: str, why: str) -> None:
        """Note when a function is called after which not all is seen that is run."""
        start: Any = getattr(module, name, None)

        def started(*args: Any, **named: Any) -> Any:
            self._blind = why
            return start(*args, **named)

        if start:
            setattr(module, name, started)

    def _real(self, side: str, name: str) -> str:
        return os.path.realpath(os.path.join(self._roots[side], name))  # noqa: PTH118

    def changed(self, code: CodeType) -> frozenset[str]:
        """The files that differ in a function, or in what it depends on."""
        lines, first = self._lines.get(self._real_path(code.co_filename), ()), code.co_firstlineno
        return frozenset(name for start, end, name in lines if start <= first <= end)

    def _is_one_sided(self, name: str) -> bool:
        return not all(os.path.lexists(self._real(side, name)) for side in self._roots)

    def _real_path(self, file: str) -> str:
        """The real path of the file of some code; links are followed once for all its functions."""
        real = self._paths.get(file)
        if real is None:
            try:
                real = os.path.realpath(file)
            except OSError:  # the current folder is gone, and the code is from no file
                real = file
            self._paths[file] = real
        return real

    def _look(self, frame: FrameType, event: str, _: Any) -> Any:
        """A function begins; its lines are of no interest. Of a module, it is noted how it ends."""
        code = frame.f_code
        if code.co_name == "<module>":
            return self._tops.begin(frame)
        place = code.co_filename, code.co_firstlineno, code.co_name
        changed = self._known.get(place)
        if changed is None:
            if code is _beat.__code__:
                self._beats += 1
                return None
            changed = self._known[place] = self.changed(code)
        self.entered[place] = self.entered.get(place, 0) + 1
        if changed:
            outer = frame.f_back.f_code if frame.f_back else None
            of_import = outer and (outer.co_name, outer.co_filename) == ("<module>", place[0])
            if not (of_import and code.co_name[0] == "<" and code.co_name != "<lambda>"):
                self._ran |= changed
        elif self._tops.running and (why := self._tops.why(frame)):
            self._blind = self._blind or why
        return None

    @audit_hook
    def _audit(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "object.__getattr__":  # most are: each look at a frame for its code
            return
        try:
            if event == "exec":
                self._audit_code(given[0])
            elif event in FILES:
                self._audit_file(event, given[0] if given else None)
            elif event in PROCESSES:
                self._audit_process(event, given)
            elif event in TRACING:
                caller = sys._getframe(1).f_code
                if not caller.co_filename.startswith((HERE, threading.__file__)):
                    self._blind = "something else traces what is run"
            elif event == "code.__new__" and not outer_file(sys._getframe(1))[1]:
                self._blind = "makes functions that cannot be recognised"
            elif event == "ctypes.dlsym":
                self._calls_c = self._calls_c or self._is_own(outer_file(sys._getframe(1))[0])
            elif event == "socket.connect":
                self._seen = "connects to another process"
        except Exception as reason:  # must not reach what has opened something
            self._blind = f"watching it failed: {reason!r}"

    def _audit_code(self, code: Any) -> None:
        """A module is run."""
        if code.co_filename.startswith("<"):  # made of a string
            return
        place = os.path.realpath(code.co_filename)
        for side, root in self._roots.items():
            if place.startswith(self._wholes[side]) or place in self._files:
                name = self._files.get(place) or Path(os.path.relpath(place, root)).as_posix()
                self._executed[side].add(name)
                added = name in self._effects and self._is_one_sided(name)
                if added and is_computed(sys._getframe(2)):
                    self._blind = f"imports {name}, which only one version has, by a computed name"
            elif os.path.basename(place) in self._names:  # noqa: PTH119
                self._audit_elsewhere(place)
        if place in self._files:
            self.imported = f"imports {self._files[place]}, which changed"

    def _audit_elsewhere(self, place: str) -> None:
        """A module is run that lies in neither version; it may be one of theirs, installed."""
        if self._is_own(place):
            return
        file, (_, installed, module) = Path(place), place.rpartition("/site-packages/")
        for name in self._effects:
            own = module.partition("/")[0] in self._packages
            if installed and not own and is_of_another_project(name, module, self._roots.values()):
                self.stray = f"{module} from {place}, in place of {name},"
            tail = re.split(r"(?:^|/)(?:(?:\.\.|src|lib|python)/)+", name)[-1]
            alone = "/" not in tail and not (file.parent / "__init__.py").exists()
            if file.as_posix().endswith(f"/{tail}") and (alone or "/" in tail):
                place = f"the installed {module}" if installed else place
                self._blind = f"imports {place} instead of {name}"
                return

    def _audit_file(self, event: str, given: Any) -> None:
        """A file is opened, or a folder listed."""
        if event not in LISTED and (given is None or isinstance(given, int)):
            return
        place = folder_of(given) if isinstance(given, int) else os.fsdecode(given or ".")
        if event == "sqlite3.connect" and place.startswith("file:"):
            place = unquote(urlsplit(place).path)
        frame = sys._getframe(2)
        outer, between = outer_file(frame)
        by_pytest = BY_PYTEST in outer
        if event in LISTED:
            ours = frame.f_code.co_filename.startswith(LISTING) or is_ours(outer)
            folders = self._scanned if event == "os.scandir" else self._folders
            if folders and not ours and not by_pytest:
                if not place:
                    self._seen = "lists a folder that the system does not name"
                elif name := folders.get(os.path.realpath(place)):
                    self._seen = f"lists the folder of {name}, which changed"
            return
        if not self._may_differ(place):
            return
        name = self._files.get(os.path.realpath(place))
        if not (name or os.path.lexists(place) or Path(place).is_absolute()):
            # It may be below another folder than the current one.
            name = next((n for n in self._effects if Path(n).name == Path(place).name), None)
        if name and name.endswith(".py"):
            back = frame.f_back.f_code.co_name if frame.f_back else ""
            loaded = frame.f_code.co_filename == IMPORT and back == "get_code"
            if loaded or by_pytest or {"warnings.py", "traceback.py"} & between:
                return
        if by_pytest and os.path.basename(place) == "pyproject.toml":  # noqa: PTH119
            return  # if what pytest takes from it had changed, everything would be timed
        if name:
            self._seen = f"reads {name}, which changed"

    def _may_differ(self, place: str) -> bool:
        """Whether a path may be one of a file that differs: by its name, or as it is a link."""
        return os.path.basename(place) in self._names or os.path.islink(place)  # noqa: PTH114, PTH119

    def _audit_asking(self, path: str, _: bool) -> None:
        """It is asked whether a file exists, or how large it is."""
        try:
            if not self._may_differ(path):
                return
            name = self._files.get(os.path.realpath(path))
            outer = outer_file(sys._getframe(2))[0]
            if not name or is_ours(outer) or BY_PYTEST in outer:
                return
            if not name.endswith(".py") or self._is_one_sided(name):  # as `inspect` asks of modules
                self._seen = f"asks about {name}, which changed"
        except Exception as reason:
            self._blind = f"watching it failed: {reason!r}"

    def _audit_reading(self, path: str) -> None:
        """C code of Python is about to read a file, or those in a folder."""
        try:
            place = os.path.realpath(path) + os.sep
        except (OSError, ValueError):  # no path, but the content itself
            return
        for file, name in self._files.items():
            if f"{file}{os.sep}".startswith(place):
                self._seen = f"reads {name}, which changed"

    def _audit_process(self, event: str, given: tuple[Any, ...]) -> None:
        own = self._is_own(outer_file(sys._getframe(2))[0])
        program = os.path.basename(str(given[0])) if given else event  # noqa: PTH119
        if own or not self._loading or program not in ASKED:
            self._seen = "starts a process"
        else:
            self._excused = True

    def _is_own(self, file: str) -> bool:
        return file.startswith(tuple(self._wholes.values()))

    @property
    def why(self) -> str:
        """Why something that differs may have been run or read; nothing if it certainly was not."""
        every = set().union(*self._executed.values())
        active = {n for n, effect in self._effects.items() if effect["data"] or n in every}
        for name in active:
            for file, why in self._effects[name]["unsure"].items():
                if file in every:
                    return str(why)
        ran = sorted(self._ran & active)
        return self._blind or (f"{RUNS} {ran[0]}" if ran else self._seen)

    @property
    def elsewhere(self) -> str:
        """A file that changed in more than its functions, and was run or perhaps read; or none."""
        run, unsure = set().union(*self._executed.values()), self._blind or self._seen or self._saw
        for name, effect in self._effects.items():
            is_read = effect["data"] and (unsure or name.endswith(".py"))
            if effect["elsewhere"] and (name in run or is_read):
                return name
        return ""

    def loaded(self) -> str:
        """Why all series are touched by what was run so far, to load them; nothing if they are not.

        What is imported then is known by what it binds, unless only one version imports it.
        """
        changed = set(self._effects)
        if len(self._executed) > 1:
            one, other = self._executed.values()
            if only := (one ^ other) - changed:
                self._blind = self._blind or f"only one version imports {min(only)}"
            ended, ends = (self._tops.failed[side] for side in self._executed)
            if only := ended ^ ends:
                self._blind = self._blind or f"only one version can import {min(only)}"
        self._loading, self.imported = False, ""
        why = self.why
        return why and f"{why}{WHEN_LOADED}"

    def forget(self) -> None:
        """Watch as if nothing had been run yet."""
        self._ran.clear()
        self.entered.clear()
        self._saw = self._saw or self._seen
        self._seen = self.imported = ""
        self._children = ended_children()

    def __enter__(self) -> None:
        """Begin to watch the main thread."""
        sys.settrace(self._look)

    def __exit__(self, *reason: object) -> None:
        """Watch it no longer."""
        before = self._beats
        _beat()
        current = getattr(threading, "_trace_hook", None)
        if self._beats == before or sys.gettrace() != self._look or current != self._look:
            self._blind = self._blind or "something else traces what is run"
        sys.settrace(None)
        threading.settrace(self._look)
        excused = self._loading and self._excused
        if has_children() or (not excused and ended_children() != self._children):
            self._seen = self._seen or "has another process"
        self._blind = self._blind or hidden_by_compilers()
        if any(effect["data"] and effect["named"] for effect in self._effects.values()):
            readers = readers_unheard() | ({"ctypes"} if self._calls_c else set())
            if readers:
                data = next(n for n, e in self._effects.items() if e["data"] and e["named"])
                self._blind = self._blind or f"{min(readers)} may read {data}, which changed"


def _beat() -> None:
    """Called to see whether calls are seen."""
