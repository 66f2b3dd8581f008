"""What runs a build: its backend, an interpreter with the build requirements, and the variables.

One environment serves all builds of a group, so that both versions are built by the same packages.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from filelock import FileLock
from msgspec import Struct

from ...errors import MlpperfError
from ..files import write_whole
from ..suites.pyproject import readable, table_at
from .environment import QUESTION, asked, install
from .variables import variables

# Variables of a session or a CI run. A build gets none of them, because all that it gets count.
SESSION = re.compile(
    r"^(_|PWD|OLDPWD|HOSTNAME|SHLVL|PS\d|TERM.*|COLUMNS|LINES|LS_COLORS|DISPLAY|WINDOWID|"
    r"HIST.*|COLORTERM|INVOCATION_ID|JOURNAL_STREAM|TMUX.*|VIRTUAL_ENV.*|PYTHONPATH|PYTHONHOME|NO_COLOR|"
    r"MAKE(LEVEL|FLAGS)|MFLAGS|PYENV_(DIR|HOOK_PATH|VERSION)|_PYENV.*|CONTAINER_NAME|Image(OS|Version)|"
    r"(SSH|XDG|VSCODE|GITHUB|RUNNER|ACTIONS|CI|GITLAB|BUILDKITE|JENKINS|DBUS|KITTY|ITERM|"
    r"WAYLAND|MLPPERF)_.*)$"
)
IDENTITY = (
    "[sys.version, sys.base_prefix, __import__('sysconfig').get_platform()]"
    " + list(map(str, __import__('sysconfig').get_config_vars('SOABI', 'CC', 'CXX', 'CFLAGS')))"
)
VERSIONS = "sorted([d.metadata['Name'] or '', d.version] for d in metadata.distributions())"
VENV = "__import__('venv').create(sys.argv[1], symlinks=__import__('os').name != 'nt')"
MARKER = "state.txt"  # written when an environment is whole
# Build backends that compile, on all processors. Others may compile, by configuration.
COMPILING = ("maturin", "mesonpy", "scikit_build_core", "setuptools_rust", "py_build_cmake")
# Calls a hook of the build backend.
HOOK = """
import importlib, json, sys
about = json.loads(sys.argv[1])
sys.path[:] = [*about["path"], *filter(None, sys.path)]
module, _, attribute = about["backend"].partition(":")
backend = importlib.import_module(module)
for name in filter(None, attribute.split(".")):
    backend = getattr(backend, name)
if "requires" in about:
    hook = getattr(backend, "get_requires_for_build_wheel", lambda config: [])
    with open(about["requires"], "w") as file:
        json.dump(list(hook(about["config"])), file)
else:
    backend.build_wheel(about["wheels"], about["config"])
"""


class Backend(Struct, frozen=True, rename="kebab"):
    """The build backend of a project (PEP 517), by its `[build-system]`.

    Attributes
    ----------
    build_backend : its module, and after a colon its object there.
    requires : the requirements that its configuration lists.
    backend_path : the folders in the project where it lies, if it is the project's own.
    """

    build_backend: str = "setuptools.build_meta:__legacy__"
    requires: tuple[str, ...] = ("setuptools>=40.8.0",)
    backend_path: tuple[str, ...] = ()

    @classmethod
    def of(cls, root: Path) -> Backend:
        """The backend of the project in `root`; raises `MlpperfError` for an invalid table."""
        try:
            return msgspec.convert(table_at(readable(root), "build-system"), cls)
        except msgspec.ValidationError as reason:
            raise MlpperfError(
                f"[build-system] in {root / 'pyproject.toml'} is not valid."
            ) from reason

    @property
    def compiles(self) -> bool:
        """Whether it always compiles, on all processors."""
        return re.split("[.:]", self.build_backend)[0] in COMPILING

    def command(
        self, python: str, source: Path, config: Mapping[str, str | list[str]], **task: str
    ) -> list[str]:
        """What runs a hook: `requires`, the file for its answer, or `wheels`, the folder."""
        path = [str(source / folder) for folder in self.backend_path]
        about = {"backend": self.build_backend, "path": path, "config": config, **task}
        return [python, "-c", HOOK, json.dumps(about)]


def build_variables(python: str, home: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The variables of builds whose temporary files go to `home`, with those `given`."""
    usual = {name: v for name, v in variables(python, home).items() if not SESSION.match(name)}
    return {**usual, "PYTHONNOUSERSITE": "1", **given}


def origin(python: str, environment: Mapping[str, str]) -> list[object]:
    """What an extension module depends on besides its project: interpreter, compilers, variables.

    Also the processor, for which a compiler may choose the instructions.
    """
    identity = asked(python, IDENTITY)
    names = ("TMPDIR", "TEMP", "TMP")
    given = sorted((name, value) for name, value in environment.items() if name not in names)
    defaults = ("cc", "gcc", "c++", "gfortran", "ld", "rustc")
    own = (environment.get("CC"), environment.get("CXX"), *identity[4:6])
    programs = {shlex.split(text)[0] for text in own if text and text.strip()} | {*defaults}
    versions = {name: _version(name, environment) for name in sorted(programs)}
    return [identity, given, versions, _processor()]


def _version(program: str, environment: Mapping[str, str]) -> str:
    """The first line that a compiler prints about its version; empty if there is none."""
    place = shutil.which(program, path=environment.get("PATH"))
    if not place:
        return ""
    try:
        done = subprocess.run(
            [place, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=QUESTION,
            env=dict(environment),
        )
    except (OSError, subprocess.TimeoutExpired):
        return place
    return place + done.stdout.decode(errors="replace").partition("\n")[0]


def _processor() -> list[str]:
    info = Path("/proc/cpuinfo")
    text = info.read_text(errors="replace") if info.is_file() else ""
    return re.findall(r"^(?:model name|flags|Features)\s*:\s*(.*)$", text, re.M)[:2]


def prepared(group: Path, python: str, wanted: Sequence[str], what: str) -> tuple[str, str]:
    """The interpreter of an environment with the requirements `wanted`; and its name and state.

    It is never changed afterwards. Another one with the same requirements, made later, may have
    other versions of them, and then has another state.

    Raises `MlpperfError` if the environment cannot be made, or a requirement cannot be installed.
    """
    name = hashlib.sha256(json.dumps(sorted({*wanted})).encode()).hexdigest()[:16]
    folder = group / "environments" / name
    own = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (own.is_file() and _state(folder)):
            shutil.rmtree(folder, ignore_errors=True)
            asked(python, VENV, str(folder))
            if wanted:
                install(str(own), [], wanted, f"{what} ({', '.join(wanted)})", other=python)
            versions = json.dumps(asked(str(own), VERSIONS))
            write_whole(folder / MARKER, hashlib.sha256(versions.encode()).hexdigest().encode())
    return str(own), f"{name} {_state(folder)}"


def is_there(group: Path, environment: str) -> bool:
    """Whether an environment is still there, in the state that it had."""
    name, _, state = environment.partition(" ")
    return bool(state) and _state(group / "environments" / name) == state


def _state(folder: Path) -> str:
    """The state of an environment; empty if it is not there, or not whole."""
    marker = folder / MARKER
    return marker.read_text(errors="replace") if marker.is_file() else ""
