"""Whose files a process runs: each version its own, and none the user's working tree.

A project's environment leads to the working tree in many ways: `PYTHONPATH`, a `.pth` file, the
finder of an editable install. What is found there is the version that is being worked on, whichever
version is measured. So every module that is found in the working tree is taken from the same place
in the copy of the version whose turn it is; if that has none, the module is not found. A process
that is started by a benchmark does the same (`child/sitecustomize.py`).

This file is run in such processes as well, so it imports little and nothing of this package.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from typing import Any

HOME, COPY, REPORT = "MLPPERF_HOME", "MLPPERF_COPY", "MLPPERF_REPORT"  # environment variables
CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child")
# Finders of editable installs that build the project in the user's folder when it is imported.
BUILDING = ("mesonpy", "scikit_build", "_editable_skbc", "maturin_import_hook")
# Starting Python so that it leaves out `PYTHONPATH`, in the text of a command.
APART = (
    r"(?:^|[\s/\"'])(?:python|pypy)[\w.-]*[\"']?"
    r"(?:\s+-[XW]\s+\S+|\s+-(?![cm]\b)\S+)*?\s+-[abd-ln-zA-VYZ]*[IES]"
)
UNKNOWN = (
    "it starts Python with -I, -E or -S, or without PYTHONPATH, so it is not known which version's "
    "files that runs"
)

PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def is_standard(file: str) -> bool:
    """Whether a file is one of the standard library."""
    return file.startswith(STANDARD) and not any(packages in file for packages in PACKAGES)


def is_of_another_project(name: str, module: str, roots: Iterable[str]) -> bool:
    """Whether the file `name` below `roots` is this module of another project of the repository."""
    if not f"/{name}".endswith(f"/{module}"):
        return False
    folders = [os.path.join(root, name[: -len(module)]).rstrip(os.sep) for root in roots]
    folders += [os.path.dirname(one) for one in folders if os.path.basename(one) == "src"]
    return any(os.path.isfile(os.path.join(at, f)) for at in folders for f in PROJECT_FILES)


def scripts_of(copy: str) -> str:
    """The folder with the scripts of a version, beside its copy."""
    return f"{copy}-bin"


def scripts_first(copy: str, python: str, variables: Mapping[str, str] = os.environ) -> str:
    """A PATH on which a version's scripts come first, then those of the environment of `python`.

    The others are those of `variables`.
    """
    places = (scripts_of(copy), os.path.dirname(python), variables.get("PATH", os.defpath))
    return os.pathsep.join(places)


class Origins:
    """The folder of the user's repository, and what is taken from a copy of it instead.

    Parameters
    ----------
    home : the top of the repository.
    others : folders in it whose modules may be used as they are, such as one with an environment.

    Attributes
    ----------
    copy : the copy of the version whose turn it is; "" for none.
    named : folders of the repository that `sys.path` has named, relative to `home`.
    """

    def __init__(self, home: str, others: Iterable[str] = ()) -> None:
        self.home = os.path.realpath(home) if home else ""
        here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        prefixes = [sys.prefix, sys.base_prefix, sys.exec_prefix, here, *others]
        self._others = [os.path.realpath(place) + os.sep for place in prefixes]
        self.copy = ""
        self.named: list[str] = []
        self._known: dict[str, set[str]] = {}  # for each copy, what lies outside of home

    def is_home(self, place: object, folders: dict[str, str] | None = None) -> bool:
        """Whether a file or folder is one of the user's working tree.

        `folders` holds the folders whose links have just been followed; this one is added.
        """
        if not self.home or not isinstance(place, str) or not os.path.isabs(place):
            return False
        real = _real(place, {} if folders is None else folders)
        if real != self.home and not real.startswith(self.home + os.sep):
            return False
        if f"{os.sep}site-packages{os.sep}" in real + os.sep:
            return False
        # A copy may lie in the repository, too, where temporary folders do.
        copy = self.copy and os.path.realpath(self.copy)
        if copy and (real + os.sep).startswith(copy + os.sep):
            return False
        return not any((real + os.sep).startswith(other) for other in self._others)

    def moved(self, place: str) -> str:
        """The same place in the copy whose turn it is."""
        relative = os.path.relpath(os.path.realpath(place), self.home)
        return os.path.normpath(os.path.join(self.copy, relative))

    def install(self) -> None:
        """Take what is found in the working tree from the copies, in this process."""
        for place in sys.path:
            if self.is_home(place):
                self.named.append(os.path.relpath(os.path.realpath(place), self.home))
        sys.path[:] = [place for place in sys.path if not self.is_home(place)]
        sys.meta_path[:] = [finder for finder in sys.meta_path if not self._builds(finder)]
        sys.meta_path.insert(0, _Finder(self))

    def _builds(self, finder: object) -> bool:
        name = f"{type(finder).__module__}.{type(finder).__qualname__}".lower()
        return any(word.replace("_", "") in name.replace("_", "") for word in BUILDING)

    def strayed(self, modules: Iterable[Any]) -> Iterator[tuple[str, str]]:
        """The name and the file of each module that was loaded from the working tree."""
        if not self.home:
            return
        folders: dict[str, str] = {}
        known = self._known.setdefault(self.copy, set())
        for module in modules:
            shown = attributes_of(module)
            file = shown.get("__file__")
            if isinstance(file, str) and file in known and "__path__" not in shown:
                continue  # as nearly all of thousands
            for place in (_file(module), *_locations(module)):
                if not isinstance(place, str) or place in known:
                    continue
                if self.is_home(place, folders):
                    yield str(getattr(module, "__name__", "?")), place
                    break
                known.add(place)


def attributes_of(module: Any) -> Mapping[str, Any]:
    """The attributes of a module, or of what is in its place."""
    try:
        held: dict[str, Any] = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return {}
    return held


def _real(place: str, folders: dict[str, str]) -> str:
    """The place without links; those of its folder are followed once, because modules share it."""
    folder, name = os.path.split(place)
    if name in ("", os.curdir, os.pardir):
        return os.path.realpath(place)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    real = os.path.join(folders[folder], name)
    return os.path.realpath(real) if os.path.islink(real) else real


def _file(module: Any) -> Any:
    """The file of a module; also of a script that has ended, which keeps its loader only."""
    try:
        file = getattr(module, "__file__", None)
        return file or getattr(getattr(module, "__loader__", None), "path", None)
    except Exception:  # a lazy module may do anything
        return None


def _locations(module: Any) -> Sequence[str]:
    try:
        return list(getattr(module, "__path__", ()) or ())
    except Exception:  # a lazy module may do anything
        return ()


class _Finder:
    """Asks all other finders, and exchanges what they find in the working tree."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins
        self._asked: set[tuple[int, str]] = set()  # names that a thread is looking for

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        asked = get_ident(), name
        if asked in self._asked:  # by a finder of the project that wraps this one
            return None
        self._asked.add(asked)
        try:
            return self._found(name, path, target)
        finally:
            self._asked.remove(asked)

    def _found(self, name: str, path: Any, target: Any) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec = find(name, path, target)
            if spec is not None and self._is_home(spec):
                spec = self._moved(name, spec)
            if spec is not None:
                return spec  # type: ignore[no-any-return]
        return None

    def _is_home(self, spec: Any) -> bool:
        places = [spec.origin, *(spec.submodule_search_locations or ())]
        return any(map(self._origins.is_home, places))

    def _moved(self, name: str, spec: Any) -> ModuleSpec | None:
        origins = self._origins
        if not origins.copy:
            return None
        folders = spec.submodule_search_locations
        if folders is not None:
            folders = [origins.moved(f) if origins.is_home(f) else f for f in folders]
            folders = [folder for folder in folders if os.path.isdir(folder)]
        if spec.origin is None or not origins.is_home(spec.origin):  # a namespace package
            if not folders:
                return None
            moved = ModuleSpec(name, spec.loader, is_package=True)
            moved.submodule_search_locations = folders
            return moved
        file = origins.moved(spec.origin)
        if not os.path.isfile(file):
            return None
        return spec_from_file_location(name, file, submodule_search_locations=folders)


def report(text: str) -> None:
    """Append a line to the file that a worker reads, if there is one."""
    file = os.environ.get(REPORT)
    if file:
        try:
            number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(number, text.encode("utf-8", "backslashreplace") + b"\n")
            os.close(number)
        except OSError:
            pass


def _list_modules() -> None:
    """Report where the modules of this process come from."""
    files = [(name, _file(module)) for name, module in [*sys.modules.items()]]
    report("\n".join(f"module {name} {os.path.abspath(file)}" for name, file in files if file))


def _report_apart() -> None:
    """Report each start of a Python that does not get the variables of this process."""
    import re

    def audit(event: str, args: tuple[Any, ...]) -> None:
        if event not in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"):
            return
        words = args[1] if args[1:] else args[0]
        words = [words] if isinstance(words, (str, bytes)) else [*words]
        text = " ".join(map(os.fsdecode, [args[0], *words[1:]] if args[0] else words))
        environment = args[-1] if args[2:] else None
        led = environment is None or {REPORT, "PYTHONPATH"} <= set(map(os.fsdecode, environment))
        if re.search(APART, text) or not (led or "python" not in text):
            report(f"apart {text!r}")

    sys.addaudithook(audit)


def in_child() -> None:
    """In a process that a benchmark has started: run the files of the version that started it.

    If no version is named, only report which modules it has loaded.
    """
    import atexit

    origins = Origins(os.environ.get(HOME, ""))
    origins.copy = os.environ.get(COPY, "")
    if not origins.copy:  # it is only observed
        atexit.register(_list_modules)
        _report_apart()
        return
    report("started")
    origins.install()

    def check() -> None:
        for name, file in origins.strayed(list(sys.modules.values())):
            report(f"strayed {name} {file}")

    atexit.register(check)
