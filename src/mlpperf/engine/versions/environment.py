"""The processes of the measured project: which interpreter they have, and how they are started."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import MlpperfError
from ..words import last_line
from .variables import variables

# Modules that it takes besides the standard library, by kind of suite. Packages have their names.
NEEDS = {"asv": ("asv_runner",), "pytest": ("pytest", "greenlet")}
OLDEST = (3, 9)  # Python that suites can be run on
QUESTION = 60.0  # seconds for an interpreter to answer a question


@dataclass(frozen=True)
class Guests:
    """What the processes of a suite run on.

    Attributes
    ----------
    python : the interpreter.
    packages : for each version, folders with what that lacks.
    compiled : whether the project has extension modules, which can be loaded only once.
    """

    python: str
    packages: Mapping[str, Sequence[str]]
    compiled: bool = False


def interpreter(project: Path, given: str | None = None) -> str:
    """The Python that the project runs on: as `given`, or of the environment that is active.

    If none is, that of `.venv` or `venv` in the project's folder, and else our own.

    Raises
    ------
    MlpperfError
        If it cannot be run, or is older than `OLDEST`.
    """
    if given:
        try:
            return _usable(str(Path(shutil.which(given) or given).absolute()))
        except MlpperfError as reason:
            raise MlpperfError(
                f"--python: {given!r} is no Python interpreter of use: {reason}"
            ) from reason
    ours = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    active = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    environments = [Path(active)] if active else []
    for folder in (*environments, project / ".venv", project / "venv"):
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if folder.resolve() in ours:
            break
        if python.is_file() or python.is_symlink():  # to an interpreter that is gone
            try:
                return _usable(str(python.absolute()))
            except MlpperfError as reason:
                raise MlpperfError(
                    f"The environment in {folder} cannot be used; mend it, or name another "
                    f"interpreter by --python: {reason}"
                ) from reason
    return sys.executable


def _usable(python: str) -> str:
    """`python`, if what runs suites runs on it."""
    found = tuple(asked(python, "list(sys.version_info[:2])"))
    if found < OLDEST:
        has, needs = (".".join(map(str, version)) for version in (found, OLDEST))
        raise MlpperfError(f"{python} is Python {has}, and suites need {needs} or later.")
    return python


def lacking(python: str, modules: Sequence[str]) -> list[str]:
    """Those of some modules that an interpreter does not find.

    Raises
    ------
    MlpperfError
        If it cannot be asked.
    """
    find = "[m for m in sys.argv[1:] if importlib.util.find_spec(m) is None]"
    found: list[str] = asked(python, find, *modules)
    return found


def asked(python: str, expression: str, *arguments: str) -> Any:
    """The value of an expression in an interpreter, whatever else that prints when it starts.

    Raises
    ------
    MlpperfError
        If the interpreter cannot be run, fails, or does not answer in time.
    """
    # Modules in the current folder must not replace those of the interpreter.
    code = "import sys; sys.path[:] = filter(None, sys.path); import importlib.util, json; "
    code += f"print('\\n' + json.dumps({{'answer': {expression}}}), flush=True)"
    environment = variables(python, Path(tempfile.gettempdir()))
    try:
        done = subprocess.run(
            [python, "-c", code, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=QUESTION,
            env=environment,
        )
    except (OSError, ValueError) as reason:
        why = getattr(reason, "strerror", None) or reason
        raise MlpperfError(f"{python} cannot be run: {why}.") from reason
    except subprocess.TimeoutExpired as reason:
        raise MlpperfError(f"{python} did not answer within {QUESTION:g} s.") from reason
    for line in done.stdout.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return json.loads(line)["answer"]
    raise MlpperfError(f"{python} does not answer: {last_line(done.stderr)}.")


def packages(python: str, kinds: Sequence[str], extra: Sequence[str], folder: Path) -> list[str]:
    """Folders with what an interpreter lacks to run suites of these kinds, and with `extra`.

    They are filled in `folder`: the environment of the project stays as it is.

    Raises
    ------
    MlpperfError
        If that fails, for example without a network.
    """
    wanted = [*lacking(python, [module for kind in kinds for module in NEEDS[kind]]), *extra]
    if not wanted:
        return []
    install(python, ["--target", str(folder), *wanted], ", ".join(wanted))
    return [str(folder)]


def install(python: str, arguments: Sequence[str], what: str) -> None:
    """Have uv or pip install something for an interpreter, which may have no pip of its own.

    Raises
    ------
    MlpperfError
        If neither is there, or it fails, for example without a network; `what` is then named.
    """
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--python", python]
    elif not lacking(python, ["pip"]):
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    elif not lacking(sys.executable, ["pip"]):
        command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    else:
        raise MlpperfError(f"{python} lacks {what}, and there is neither uv nor pip to get it.")
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, errors="replace")
    if done.returncode:
        why = last_line(done.stderr or done.stdout)
        raise MlpperfError(f"{what} cannot be installed for {python}: {why}")
