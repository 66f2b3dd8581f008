"""Keeps proofs, so that `race` need not repeat what `verify` has just proved.

A kept proof counts for a day, and only while everything it depends on is as it was: each file below
the project's folder, which packages are installed, every file that was loaded for the proof, the
variables of the environment, the setting and the processor. Files are compared by size and times
of change; the system sets one of these times itself. Whatever cannot be read or does not fit is
proven again. Files outside of the project that a variant only reads are not noticed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from ...agreement import Proof
from ...devices import Setting, available_threads
from ...errors import MlpperfError
from ...hotpath import Case, HotPath, Variant
from ..files import cache_folder, write_whole
from ..words import count
from ..worker.contest import Contestant, prove

KEPT_FOR = 86_400.0  # seconds
# Variables that shells and terminals change from one command to the next.
PASSING = {"_", "SHLVL", "OLDPWD", "PWD", "COLUMNS", "LINES"}
Stamp = tuple[int, int, int]
NONE: Stamp = (-1, 0, 0)  # of what is not there, or has only a name
Amount = Annotated[float, msgspec.Meta(ge=0)]


class KeptProof(msgspec.Struct, forbid_unknown_fields=True):
    """A proof, and when and by which command it was made."""

    proof: Proof
    dtype: str
    time: Amount
    command: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """Proofs, and what they depend on: `files` are those that `state` leaves out."""

    state: str
    files: dict[str, Stamp]
    proofs: dict[str, KeptProof]


class Proofs:
    """The proofs of the project in the current folder.

    Make it before the project is imported: a file that changes from then on voids the new proofs.

    `command` is the command that proves; with `again`, it proves everything, whatever is kept.
    """

    def __init__(self, command: str, *, again: bool = False, now: float | None = None) -> None:
        self._folder, self._command, self._moment = Path.cwd(), command, now or time.time()
        self._about, self._files = _surroundings(), _files(self._folder, sys.path)
        self._kept = {} if again else self._read()
        self._new: dict[str, KeptProof] = {}
        self._used: Counter[tuple[float, str]] = Counter()

    def of(self, path: HotPath, case: Case, variants: Sequence[Variant]) -> list[Contestant]:
        """Each of `variants` with its proof, which is made now unless it was kept.

        Raises `WrongResultError` if the reference itself fails.
        """
        contestants = {}
        for variant in variants:
            if kept := self._kept.get(_name(path, case, variant)):
                contestants[variant.name] = Contestant(variant, kept.proof, dtype=kept.dtype)
                self._used[kept.time, kept.command] += 1
        missing = [variant for variant in variants if variant.name not in contestants]
        for new in prove(path, case, missing) if missing else ():
            contestants[new.variant.name] = new
            if not new.wrong:
                about = (new.proof, new.dtype, self._moment, self._command)
                self._new[_name(path, case, new.variant)] = KeptProof(*about)
        return [contestants[variant.name] for variant in variants]

    def save(self) -> None:
        """Keep the new proofs, unless something they depend on has changed meanwhile."""
        if not self._new or _files(self._folder, sys.path) != self._files:
            return
        files = {name: _stamp(name) for name in sorted(_loaded() - {*self._files})}
        content = _File(self._state, files, {**self._read(), **self._new})
        with contextlib.suppress(OSError, MlpperfError):
            file = self._file()
            file.parent.mkdir(exist_ok=True)
            for other in file.parent.iterdir():
                if self._moment - other.stat().st_mtime > KEPT_FOR:
                    other.unlink(missing_ok=True)
            write_whole(file, msgspec.json.encode(content))

    def __str__(self) -> str:
        """Such as `246 proofs kept from 03:12 (verify).`; empty without one."""
        parts = (
            f"{count(number, 'proof')} kept from {time.strftime('%H:%M', time.localtime(at))} "
            f"({command})"
            for (at, command), number in sorted(self._used.items())
        )
        text = ", ".join(parts)
        return f"{text}; --prove repeats them." if text else ""

    @property
    def _state(self) -> str:
        """A digest of what proofs depend on, but for files that were loaded for them."""
        return hashlib.sha256(f"{self._about} {sorted(self._files.items())!r}".encode()).hexdigest()

    def _read(self) -> dict[str, KeptProof]:
        """The proofs that still count."""
        try:
            content = msgspec.json.decode(self._file().read_bytes(), type=_File)
        except (OSError, ValueError, RecursionError, MlpperfError):
            return {}
        current = all(_stamp(name) == stamp for name, stamp in content.files.items())
        if content.state != self._state or not current:
            return {}
        return {
            name: proof
            for name, proof in content.proofs.items()
            if 0 <= proof.proof.error <= proof.proof.tolerance
            and 0 <= self._moment - proof.time < KEPT_FOR
        }

    def _file(self) -> Path:
        about = f"{self._folder.resolve()}\0{Setting.current()}"
        name = hashlib.sha256(os.fsencode(about)).hexdigest()[:20]
        return cache_folder() / "proofs" / f"{name}.json"


def _name(path: HotPath, case: Case, variant: Variant) -> str:
    return f"{path.name}/{path.version}/{case!r}/{variant.name}"


def _surroundings() -> str:
    """What proofs depend on besides files: Python, the machine, variables and the setting."""
    variables = sorted((k, v) for k, v in os.environ.items() if k not in PASSING)
    about = (sys.version, platform.platform(), _processor(), available_threads())
    return repr((about, variables, Setting.current()))


def _processor() -> str:
    """The processor with its instruction sets, where the system lists them."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = ("model name", "flags", "Features", "CPU part")
        return "\n".join(dict.fromkeys(line for line in lines if line.startswith(names)))
    return platform.processor()


def _files(project: Path, others: Iterable[str]) -> dict[str, Stamp]:
    """All files below the project's folder, and what lies directly in the others.

    Hidden folders and what Python compiles are left out. Of the folders of packages, only the name
    counts, because Python compiles into them; whether a package was replaced shows in the folder
    that describes it, whose name ends in `-info`.
    """
    files: dict[str, Stamp] = {}
    seen: set[tuple[int, int]] = set()  # links may lead to a folder again
    folders = [
        (str(project.absolute()), True),
        *((str(Path(at).absolute()), False) for at in others),
    ]
    while folders:
        folder, deep = folders.pop(0)
        try:
            status = Path(folder).stat()
            entries = list(os.scandir(folder))
        except OSError:  # there is none, or it is a zip file
            files[folder] = _stamp(folder)
            continue
        if (identity := (status.st_dev, status.st_ino)) in seen:
            continue
        seen.add(identity)
        for entry in entries:
            is_folder = entry.is_dir()
            if is_folder and (entry.name == "__pycache__" or entry.name.startswith(".")):
                continue
            if is_folder and deep:
                folders.append((entry.path, True))
            else:
                package = is_folder and not entry.name.endswith("-info")
                files[entry.path] = NONE if package else _stamp(entry.path)
    return files


def _stamp(file: str) -> Stamp:
    try:
        status = Path(file).stat()
    except OSError:
        return NONE
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _loaded() -> set[str]:
    """The files of all modules in this process, and of all libraries where Linux lists them."""
    modules = (getattr(module, "__file__", None) for module in [*sys.modules.values()])
    files = {str(Path(file).absolute()) for file in modules if isinstance(file, str)}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            parts = line.split(maxsplit=5)
            if len(parts) == 6 and parts[5].startswith("/"):
                files.add(parts[5].removesuffix(" (deleted)"))
    return files
