"""The processes of the measured project: which interpreter they have, and how they are started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import MlpperfError
from ..timing.workers import ONLY_INSTALLED, Worker

GUEST = Path(__file__).parents[1] / "guest"
# Modules that it takes besides the standard library, by kind of suite. Packages have their names.
NEEDS = {"asv": ("asv_runner",), "pytest": ("pytest", "greenlet")}
# Loads the folder as a package of its own, because this one may not be installed there.
START = f"""
{ONLY_INSTALLED}
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "mlpperf_guest",
    {str(GUEST / "__init__.py")!r},
    submodule_search_locations=[{str(GUEST)!r}],
)
sys.modules["mlpperf_guest"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from mlpperf_guest.worker import main
main()
"""


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


def started(task: dict[str, Any], python: str, patience: float, **where: Any) -> Worker:
    """A process of that interpreter that has been told its task; `where` as `Worker` has it."""
    worker = Worker(["-c", START], python, patience, **where)
    worker.tell(json.dumps(task))
    return worker


def interpreter(project: Path, given: str | None = None) -> str:
    """The Python that the project runs on: as `given`, or of the environment that is active.

    If none is, that of `.venv` or `venv` in the project's folder, and else our own.

    Raises
    ------
    MlpperfError
        If the one that is given is none.
    """
    if given:
        if _said(given, "print(1)") != "1":
            raise MlpperfError(f"--python: {given!r} is no Python interpreter.")
        return given
    ours = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    active = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    environments = [Path(active)] if active else []
    for folder in (*environments, project / ".venv", project / "venv"):
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if folder.resolve() in ours:
            break
        if python.is_file():
            return str(python)
    return sys.executable


def lacking(python: str, modules: Sequence[str]) -> list[str]:
    """Those of some modules that an interpreter does not find."""
    find = "import importlib.util, json, sys; print(json.dumps([m for m in sys.argv[1:] if "
    find += "importlib.util.find_spec(m) is None]))"
    found: list[str] = json.loads(_said(python, find, *modules) or "[]")
    return found


def _said(python: str, code: str, *arguments: str) -> str:
    command = [python, "-c", code, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    except OSError:
        return ""
    return done.stdout.strip()


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
        last = ((done.stderr or done.stdout).strip().splitlines() or ["it said nothing"])[-1]
        raise MlpperfError(f"{what} cannot be installed for {python}: {last}")
