"""Selects the files and options for pytest, by the project's own settings."""

from __future__ import annotations

import configparser
import fnmatch
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from ..words import count
from .defined_tests import has_test
from .mentions import WORD, in_doubt
from .pyproject import ini_of, text_of

# Options in a project's `addopts` that decide how tests are loaded, and by which clock they are
# timed. The others configure reports, coverage and parallel runs, or deselect tests.
KEPT_OPTIONS = ("--import-mode", "--asyncio-mode", "--ds", "--dc", "-p", "--benchmark-timer")
# Settings that `-o` among these may change, except for those of a project's own runs.
NOT_KEPT = re.compile("addopts|norecursedirs|.*strict.*")
# A hook that may make benchmarks of any file.
COLLECT = "pytest_collect_file"
NOT_COLLECTED = (
    f"its hook {COLLECT} makes benchmarks of other files, which cannot be timed; make them test "
    "functions"
)
# Settings by which pytest knows tests in a file, and what they usually are.
NAMES = {"python_functions": ["test"], "python_classes": ["Test"]}
BENCHMARKS = ("bench", "Bench", "Test")  # how functions and classes begin that may be benchmarks
# Plugins that `-p` may load and that only watch tests or distribute them.
LEFT_OUT = {"pytest_cov", "pytest_cov.plugin", "xdist", "xdist.plugin"}
CONFIGURATIONS = (
    ("pytest.toml", "pytest"),
    (".pytest.toml", "pytest"),
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("pyproject.toml", "tool.pytest"),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)


@dataclass(frozen=True)
class Configuration:
    """A project's settings for pytest, and the file that has them; empty without."""

    file: str = ""
    content: Mapping[str, Any] | None = None

    def words(self, name: str, usual: Sequence[str] = ()) -> list[str]:
        """A setting that is a list of words."""
        value = (self.content or {}).get(name, usual)
        if name != "addopts":
            value = self.overridden.get(name, value)
        if not isinstance(value, str):
            return [str(one) for one in value]
        try:
            return shlex.split(value)
        except ValueError:  # an open quotation
            return value.split()

    @cached_property
    def overridden(self) -> Mapping[str, str]:
        """The settings that the project's own options for pytest change."""
        given = " ".join(f"{word}\0" for word in self.words("addopts"))
        pairs = re.findall(r"(?:^|\0 )(?:-o|--override-ini)(?:\0 |=|)([^\0=]+)=([^\0]*)", given)
        return {name: value for name, value in pairs if not NOT_KEPT.fullmatch(name)}


def configuration(root: Path) -> Configuration:
    """The first file of a project with settings for pytest, in pytest's order."""
    for name, section in CONFIGURATIONS:
        try:
            text = (root / name).read_text(encoding="utf-8-sig")
            if name.endswith(".toml"):
                content: dict[str, Any] = tomllib.loads(text)
                for part in section.split("."):
                    content = content[part]
                content = content.get("ini_options", content)
            else:
                content = dict(ini_of(text)[section])
        except (KeyError, AttributeError):
            if name.strip(".") == "pytest.ini":  # counts for pytest even if it is empty
                return Configuration(name)
        except (OSError, ValueError, configparser.Error):
            continue
        else:
            return Configuration(name, content)
    return Configuration()


def options(
    root: Path, settings: Configuration, names: Iterable[str], own: Sequence[str]
) -> Iterator[str]:
    """The options of pytest: those of the project that decide how tests are loaded, and `own`.

    pytest's search for settings starts and ends in the folder of the copy. If files of these
    `names` have settings nearer to them, tests there may have the names that these give.
    """
    yield from ("-c", settings.file or os.devnull, "--rootdir=.", "--confcutdir=.")
    given = settings.words("addopts")
    for number, option in enumerate(given):
        name, has_value, value = option.partition("=")
        if name in KEPT_OPTIONS:
            if not has_value:
                value = given[number + 1] if number + 1 < len(given) else ""
            if name != "-p" or _is_loaded(value):
                yield from (name, value)
        elif option[:2] == "-p" and len(option) > 2 and _is_loaded(option[2:]):
            yield option
    several = [settings, *(own for _, own in _nearest(root, settings, names).values())]
    named = {
        key: shlex.join(dict.fromkeys(word for one in several for word in one.words(key, usual)))
        for key, usual in NAMES.items()
        if any(one.words(key, usual) != several[0].words(key, usual) for one in several)
    }
    for key, value in {**settings.overridden, **named}.items():
        yield from ("-o", f"{key}={value}")
    yield from own


def _nearest(
    root: Path, settings: Configuration, names: Iterable[str]
) -> dict[str, tuple[PurePosixPath, Configuration]]:
    """The folder nearest to each file with settings for pytest, and these; the root's `settings`.

    So does pytest find them if it is started for this file.
    """

    @cache  # many files share a folder
    def nearest(folder: PurePosixPath) -> tuple[PurePosixPath, Configuration]:
        if not folder.name:
            return folder, settings
        own = configuration(root / folder)
        return (folder, own) if own.file else nearest(folder.parent)

    return {name: nearest(PurePosixPath(name).parent) for name in names}


def _is_loaded(plugin: str) -> bool:
    return plugin not in LEFT_OUT and not plugin.startswith("no:")


def tests(
    root: Path, files: Sequence[Path], settings: Configuration
) -> tuple[list[str], str, dict[str, str]]:
    """The files below `root` that may have a benchmark, and a sentence about the others.

    Then the files whose hooks collect benchmarks from others than Python's, and why not.

    A file that pytest collects by itself is left out only if its text shows that it has no
    benchmark; any other file is included if its text has one, or a test where every test is one.
    """
    texts: dict[str, str] = {}
    for file in files:
        try:
            source = file.read_bytes()
        except OSError:
            continue
        texts[file.relative_to(root).as_posix()] = source.decode("utf-8-sig", "replace")
    if not any(map(WORD.search, texts.values())):
        return [], "", {}
    sources = (settings.file, "pyproject.toml", "setup.cfg", "setup.py")
    about = "\n".join(text_of(root / name) for name in sources)
    doubtful, folders = in_doubt(texts, about, settings.words("usefixtures"))
    below = {name for name in texts if any(_lies_below(name, folder) for folder in folders)}
    nearest = _nearest(root, settings, {*doubtful, *below})
    is_collected = _collected(settings)
    usual = {name for name in texts if is_collected(name)}
    usual |= {
        name
        for name, (folder, own) in nearest.items()
        if _collected(own)(PurePosixPath(name).relative_to(folder).as_posix())
    }

    def may_hold(name: str) -> bool:
        if name in usual:
            return name in doubtful or any(_lies_below(name, one) for one in folders.values())
        if name not in nearest:
            return False
        own = nearest[name][1]
        names = [*own.words("python_functions", NAMES["python_functions"]), *BENCHMARKS]
        is_named = _is_named(PurePosixPath(name), own)
        every, known = is_named and name in below, doubtful.get(name, set())
        return has_test(texts[name], known, names, is_named=is_named, every=every)

    chosen = [name for name in texts if may_hold(name)]
    left_out = len(usual - set(chosen))
    note = (
        f"pytest: left out {count(left_out, 'file')} with tests, as neither their text nor what "
        "they use mentions `benchmark` or `codspeed`"
    )
    collecting = [name for name in texts if COLLECT in doubtful.get(name, ())]
    return chosen, note if left_out else "", dict.fromkeys(collecting, NOT_COLLECTED)


def _collected(settings: Configuration) -> Callable[[str], bool]:
    """A function: whether pytest collects a file by itself, by `python_files` and `testpaths`."""
    places = [place.strip("/") or "." for place in settings.words("testpaths")]

    def is_collected(name: str) -> bool:
        below = any(
            _lies_below(name, place.removeprefix("./")) or fnmatch.fnmatch(name, f"{place}/*")
            for place in places or ["."]
        )
        return below and _is_named(PurePosixPath(name), settings)

    return is_collected


def _is_named(path: PurePosixPath, settings: Configuration) -> bool:
    """Whether a file has the name of one with tests."""
    patterns = settings.words("python_files", ["test_*.py", "*_test.py"])
    return any(fnmatch.fnmatch(f"/{path}" if "/" in p else path.name, p) for p in patterns)


def _lies_below(name: str, folder: str) -> bool:
    return folder == "." or name == folder or name.startswith(f"{folder}/")
