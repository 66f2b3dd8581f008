"""Finds the interpreter of a suite, and installs the packages that a version needs.

The user's own environment is never changed: packages go into folders of the comparison's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from textwrap import shorten
from typing import Any

from filelock import FileLock
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from ...errors import MlpperfError, check, last_line
from ..files import cache_folder
from ..git import clean_environment
from ..suites.commands import COMMANDS
from ..suites.pyproject import ini, project_name, readable, table_at
from ..words import plain
from .layout import BUILT, project_named
from .variables import variables

# Modules that a worker needs besides the standard library; packages have the same names.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "asv": ("asv_runner",),
    "pytest": ("pytest", "greenlet"),
    COMMANDS: (),
}
OLDEST = (3, 9)  # Python that runs a worker
# What pip and uv print if there is no network.
UNREACHABLE = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeout",
    "error sending request",
)
CAUSE = re.compile(r"(?:cause:|╰─▶)\s+(\S.*)", re.DOTALL)  # in the output of uv
LONGEST_CAUSE = 400  # characters
KEPT = 2 * 86400.0  # seconds that packages are kept after their last use
QUESTION = 60.0  # seconds for an interpreter to answer


@dataclass(frozen=True)
class Runtime:
    """What runs the suites, or the hot paths, of two versions.

    Attributes
    ----------
    python : the interpreter of the head, and of the base unless `base_python` is another one.
    packages : folders with additional packages, for each version that needs any.
    compiled : whether the project has extension modules.
    """

    python: str = sys.executable
    packages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    compiled: bool = False
    base_python: str = ""

    def python_of(self, side: str) -> str:
        """The interpreter of a version."""
        return self.python if side == "head" else self.base_python or self.python


def interpreter(project: Path, given: str | None = None, option: str = "--python") -> str:
    """The project's Python: the one that an option has given, or that of the active environment.

    Without either, that of `.venv` or `venv` in the project's folder, or else our own.

    Raises `MlpperfError` if it cannot be run, or is older than `OLDEST`.
    """
    if given:
        try:
            place = shutil.which(given) or shutil.which(f"python{given}")  # such as 3.12
            return _usable(str(Path(place or given).absolute()))
        except MlpperfError as reason:
            raise MlpperfError(
                f"{option}: {given!r} is no Python interpreter that can be used: {reason}"
            ) from reason
    own = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    active = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    environments = [Path(active)] if active else []
    for folder in (*environments, project / ".venv", project / "venv"):
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if folder.resolve() in own:
            break
        if python.is_file() or python.is_symlink():  # perhaps to a file that is gone
            try:
                return _usable(str(python.absolute()))
            except MlpperfError as reason:
                raise MlpperfError(
                    f"The environment in {folder} cannot be used; repair it, or name another "
                    f"interpreter by --python: {reason}"
                ) from reason
    return sys.executable


def _usable(python: str) -> str:
    """`python`, if a worker runs on it."""
    version = tuple(asked(python, "list(sys.version_info[:2])"))
    if version < OLDEST:
        has, needs = (".".join(map(str, one)) for one in (version, OLDEST))
        raise MlpperfError(f"{python} is Python {has}, and suites need {needs} or later.")
    return python


def check_version(root: Path, python: str) -> None:
    """Raise unless the project in `root` supports the Python of an interpreter.

    Raises `MlpperfError` if `requires-python` in its pyproject.toml excludes that version.
    """
    text = table_at(readable(root), "project").get("requires-python")
    if not isinstance(text, str):
        return
    with contextlib.suppress(InvalidSpecifier):
        supported = SpecifierSet(text)
        version = asked(python, "'.'.join(map(str, sys.version_info[:3]))")
        if not supported.contains(version, prereleases=True):
            raise MlpperfError(
                f"{project_name(root)} needs Python {text}, and {python} is {version}: "
                "--python names another interpreter."
            )


def lacking(python: str, modules: Sequence[str]) -> list[str]:
    """The modules that an interpreter does not have."""
    return list(asked(python, "[m for m in sys.argv[1:] if not util.find_spec(m)]", *modules))


def asked(python: str, expression: str, *arguments: str) -> Any:
    """The value of an expression in an interpreter, whatever else that prints when it starts."""
    # Modules in the current folder must not replace those of the interpreter.
    code = (
        "import sys; sys.path[:] = filter(None, sys.path); "
        "import json; from importlib import metadata, util; "
        f"print('\\n' + json.dumps({{'answer': {expression}}}), flush=True)"
    )
    try:
        done = subprocess.run(
            [python, "-c", code, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=QUESTION,
            env=variables(python, Path(tempfile.gettempdir())),
        )
    except (OSError, ValueError) as reason:
        why = getattr(reason, "strerror", None) or reason
        raise MlpperfError(f"{python} cannot be run: {why}.") from reason
    except subprocess.TimeoutExpired as reason:
        raise MlpperfError(f"{python} did not answer within {QUESTION:g} s.") from reason
    for line in done.stdout.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return json.loads(line)["answer"]
    # A traceback ends with its reason; what others say, such as pyenv, begins with it.
    text = done.stderr.strip()
    why = text if b"Traceback" in text else text.partition(b"\n")[0]
    raise MlpperfError(f"{python} does not answer: {last_line(why)}.")


def requirements(root: Path) -> tuple[str, ...]:
    """The requirements of the project in `root`, by its pyproject.toml.

    These are its dependencies and those of the extras that `[tool.mlpperf] extras` names. If the
    file does not list any, those of what was built, or of setup.cfg.

    Raises `MlpperfError` if the project has no such extra.
    """
    content = readable(root)
    project = table_at(content, "project")
    listed = project.get("dependencies", [])
    elsewhere = not project or "dependencies" in project.get("dynamic", ())
    if elsewhere or not isinstance(listed, list):
        return _of_build(root)
    optional = table_at(project, "optional-dependencies")
    extras = table_at(content, "tool", "mlpperf").get("extras", [])
    own = canonicalize_name(str(project.get("name", "")))
    try:
        check("extra", extras, optional)
        return tuple(dict.fromkeys([*map(str, listed), *_of_extras(extras, optional, own)]))
    except (AttributeError, TypeError, RecursionError):
        return ()


def _of_build(root: Path) -> tuple[str, ...]:
    for folder in (root / BUILT).glob("*.dist-info"):
        return tuple(metadata.Distribution.at(folder).requires or ())
    lines = ini(root / "setup.cfg").get("options", "install_requires", fallback="").splitlines()
    return tuple(filter(_is_of_index, map(str.strip, lines)))


def _of_extras(names: Iterable[str], optional: dict[str, list[str]], own: str) -> Iterator[str]:
    """The requirements of some extras; one may name others, as extras of its `own` project."""
    for text in (text for name in names for text in optional.get(name, [])):
        package, _, rest = text.partition("[")
        if canonicalize_name(package.strip()) == own:
            others = (name.strip() for name in rest.partition("]")[0].split(","))
            yield from _of_extras(others, optional, own)
        else:
            yield text


def unmet(root: Path, python: str = sys.executable, siblings: Sequence[Path] = ()) -> list[str]:
    """The requirements of the project in `root` that an interpreter's packages do not meet.

    Those of the `siblings`, projects of the same repository on which it depends, included; but not
    those of all members of a workspace.
    """
    projects = (root, *siblings) if project_named(root) else (root,)
    wanted = dict.fromkeys(text for one in projects for text in requirements(one))
    return not_met(wanted, python, map(project_named, siblings))


def not_met(wanted: Iterable[str], python: str, present: Iterable[str] = ()) -> list[str]:
    """The requirements that an interpreter's packages do not meet.

    Whatever is required of the packages that are `present`, by name, is met.
    """
    here = installed(python)
    own = set(map(canonicalize_name, present))

    def is_met(text: str) -> bool:
        try:
            needed = Requirement(text)
        except InvalidRequirement:
            return False
        if needed.marker and not needed.marker.evaluate(marked(python)):
            return True
        if canonicalize_name(needed.name) in own:
            return True
        version = here.get(canonicalize_name(needed.name))
        return bool(version and needed.specifier.contains(version, prereleases=True))

    return [text for text in wanted if not is_met(text)]


@lru_cache(maxsize=4)
def marked(python: str) -> dict[str, str]:
    """What markers of requirements mean by the Python of an interpreter."""
    if python == sys.executable:
        return {}
    full = asked(python, "'.'.join(map(str, sys.version_info[:3]))")
    return {"python_full_version": full, "python_version": full.rpartition(".")[0]}


@lru_cache(maxsize=4)
def installed(python: str) -> dict[str, str]:
    """The version of each package that an interpreter has."""
    pairs = asked(python, "[[d.metadata['Name'], d.version] for d in metadata.distributions()]")
    return {canonicalize_name(name): version for name, version in reversed(pairs) if name}


def packages(python: str, wanted: Sequence[str], folder: Path) -> list[str]:
    """A folder with packages, in a list; the list is empty if none are wanted.

    Packages of an index are kept for a day, so that a second comparison starts at once. Others,
    such as those of a folder, may change at any time: they are installed into `folder`.
    """
    if not wanted:
        return []
    if not all(map(_is_of_index, wanted)):
        install(python, ["--target", str(folder)], wanted, ", ".join(wanted))
        return [str(folder)]
    kept = cache_folder() / "packages"
    kept.mkdir(exist_ok=True)
    settings = sorted(v for v in os.environ.items() if v[0].startswith(("PIP_", "UV_")))
    about = [python, asked(python, "sys.version"), sorted(wanted), settings, str(date.today())]
    place = kept / hashlib.sha256(json.dumps(about).encode()).hexdigest()[:20]
    with FileLock(kept / "lock"):
        if not place.is_dir():
            partial = place.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
            install(python, ["--target", str(partial)], wanted, ", ".join(wanted))
            partial.rename(place)
        os.utime(place)
        for other in kept.iterdir():
            if other.is_dir() and time.time() - other.stat().st_mtime > KEPT:
                shutil.rmtree(other, ignore_errors=True)
    return [str(place)]


def _is_of_index(wanted: str) -> bool:
    """Whether a requirement names a package of an index, rather than a folder, file or address."""
    try:
        return not Requirement(wanted).url
    except InvalidRequirement:
        return False


def install(
    python: str, options: Sequence[str], wanted: Sequence[str], what: str, other: str = ""
) -> None:
    """Install packages for an interpreter with uv or pip; it needs no pip of its own.

    The pip of this interpreter, of the `other` one, or of ours.

    Raises `MlpperfError` if neither is there, or the installation fails; the sentence names `what`.
    """
    quiet = ["install", "--quiet"]
    pips = (one for one in (python, other or python, sys.executable) if not lacking(one, ["pip"]))
    if uv := shutil.which("uv"):
        command = [uv, "pip", *quiet, "--python", python]
    elif pip := next(pips, None):
        # Packages go into folders of their own: to look for conflicts with others takes a second.
        quiet += ["--disable-pip-version-check", "--no-compile", "--no-warn-conflicts"]
        target = [] if pip == python else ["--python", python]
        command = [pip, "-m", "pip", *target, *quiet]
    else:
        raise MlpperfError(f"{python} lacks {what}, and there is neither uv nor pip to install it.")
    # After "--", no requirement of a commit is taken for an option.
    done = subprocess.run(
        [*command, *options, "--", *wanted], capture_output=True, env=clean_environment()
    )
    if done.returncode:
        why = plain(_why((done.stderr or done.stdout).decode(errors="replace"))).rstrip(".")
        raise MlpperfError(f"{what} cannot be installed for {python}: {why}.")
    if "--target" in options:  # uv leaves a lock there, which is of no package
        Path(options[options.index("--target") + 1], ".lock").unlink(missing_ok=True)


def _why(output: str) -> str:
    """The reason for a failure: a line of the output of pip, or the last cause in that of uv."""
    if any(sign in output for sign in UNREACHABLE):
        return "the package index cannot be reached"
    if cause := CAUSE.findall(output):
        return shorten(cause[-1].partition("hint:")[0], LONGEST_CAUSE, placeholder=" …")
    lines = output.splitlines()
    conflicts = [line for line in lines if "Cannot install" in line]
    return conflicts[0].strip() if conflicts else last_line(output)
