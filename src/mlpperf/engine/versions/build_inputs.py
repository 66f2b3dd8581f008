"""Which files of a project a build of its extension modules may depend on.

All of them, except for what provably is no part of it: files of the documentation and of tests that
no build script names, and Python files that the wheel has as they are. In doubt a file counts.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .configuration import LINTERS
from .imports import imports
from .layout import BUILT
from .trees import files_below

SCRIPTS = {"setup.py", "build.rs"}  # run by a build
CONFIGURATION = {"pyproject.toml", "setup.cfg", "meson.build", "meson.options", "Cargo.toml"}
CONFIGURATION |= {"meson_options.txt", "CMakeLists.txt"}
UNREAD = LINTERS | {"mlpperf", "pytest"}  # tables of pyproject.toml that no build reads
# Folders whose files of these types, and no others, a build does not read.
ASIDE = {"test", "tests", "doc", "docs", "benchmarks", "asv_bench", "examples"}
ASIDE |= {".github", ".gitlab", ".circleci"}
ASIDE_TYPES = {".py", ".md", ".rst", ".ipynb", ".json", ".csv", ".html", ".css", ".png", ".svg"}
ASIDE_TYPES |= {".yml", ".yaml"}
TEXTS = {".md", ".rst"}  # also beside the configuration
TEST_FILES = {"conftest.py", "noxfile.py"}
# What compiles Python files, so that any of them may be part of an extension module.
COMPILES_PYTHON = {b"mypyc", b"mypycify", b"nuitka", b"transonic", b"codon", b"hatch-mypyc"}

RELATIVE = "."  # the package of a relative import
# From the beginning of a word only: a file of data may be one word of a megabyte.
PYTHON_FILE = re.compile(rb"(?<![\w-])[\w-]*\.py\b")
# Modules that a command runs or imports, and the build backend.
MODULE = re.compile(rb"(?:-m['\",\s]+|\bimport\s+|^build-backend\s*=\s*['\"])(\w+)", re.M)
# Without any of these words, setup.py only reads the Python files that it names.
RUNS = re.compile(
    rb"exec|runpy|import_module|importlib|__import__|subprocess|system|Popen|spawn|eval|cffi|imp\b"
)
TABLE = re.compile(
    rb"^\[+\s*tool\.(?:%s)\b[^\n]*\n(?:(?!\[).*\n?)*" % "|".join(sorted(UNREAD)).encode(), re.M
)
INSTALLED = re.compile(rb"install_sources\(([^()]*)\)")  # of meson: files that are only copied


def inventory(whole: Path) -> dict[str, str]:
    """A hash of each file below a folder by its path, of its mode and of where a link leads."""
    files = files_below(whole, (BUILT, "__pycache__"))
    return {file.relative_to(whole).as_posix(): _hash(file) for file in files}


def _hash(file: Path) -> str:
    status = file.lstat()
    content = os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
    kind = stat.S_IFMT(status.st_mode) | status.st_mode & stat.S_IXUSR  # the rest is by umask
    return hashlib.sha256(b"%o " % kind + content).hexdigest()


@dataclass(frozen=True)
class Mentions:
    """What the scripts and the configuration of a build name.

    Attributes
    ----------
    text : their whole text, without the settings of linters and the lists of files to copy.
    run : the paths of the Python files that a build may run.
    files : the names of the Python files that any file of the build mentions.
    packages : the packages that the scripts import or run.
    anything : whether a script may read or run any Python file.
    """

    text: bytes
    run: frozenset[str]
    files: frozenset[bytes]
    packages: frozenset[str]
    anything: bool

    def is_aside(self, path: str) -> bool:
        """Whether a file belongs to tests or documentation, and no script names it."""
        place = PurePosixPath(path)
        folders = [folder for folder in place.parts[:-1] if folder in ASIDE]
        if place.name.encode() in self.text or path in self.run:
            return False
        if place.suffix == ".py" and place.name.encode() in self.files:
            return False
        if any(re.search(rb"\b%s[/\\]" % re.escape(f.encode()), self.text) for f in folders):
            return False
        if folders and place.suffix in ASIDE_TYPES:
            return True
        top = len(place.parts) == 1
        return place.name in TEST_FILES or (top and place.suffix in TEXTS)

    def is_named(self, path: str) -> bool:
        """Whether a script names a Python file, or its module or package."""
        place = PurePosixPath(path)
        stem = place.parent.name if place.name == "__init__.py" else place.stem
        word = re.search(rb"(?<![\w])%s(?![\w])" % re.escape(stem.encode()), self.text)
        return path in self.run or place.name.encode() in self.files or bool(word)


def mentions(whole: Path, files: Mapping[str, str], commands: str = "") -> Mentions:
    """What the scripts, the configuration and the commands of a build name.

    The scripts that a script runs or imports are included.
    """
    texts = {path: _text(whole / path) for path in files if _is_configuration(path)}
    texts[""] = commands.encode()
    others = (whole / p for p in files if p not in texts and not p.endswith((".py", *TEXTS)))
    names = {name for file in others for name in PYTHON_FILE.findall(_bytes(file))}
    python = [path for path in files if path.endswith(".py")]
    packages: set[str] = set()
    anything = False
    run = {path for path in texts if path.endswith(".py")}
    pending = dict(texts)
    while pending:  # grows by the scripts that a script runs or imports
        path, text = pending.popitem()
        called = set(PYTHON_FILE.findall(text))
        anything = anything or b".py" in called
        names |= called
        packages |= {name.decode() for name in MODULE.findall(text)}
        if path.endswith(".py"):
            modules = [module for module, _ in imports(text).modules]
            packages |= {module.partition(".")[0] or RELATIVE for module in modules}
            called = called if RUNS.search(text) else set()
        for one in set(python) - run:
            place = PurePosixPath(one)
            parts = {place.parts[0].removesuffix(".py")}
            parts |= {*place.with_suffix("").parts} - sys.stdlib_module_names
            if place.name.encode() in called or not packages.isdisjoint(parts):
                run.add(one)
                texts[one] = pending[one] = _text(whole / one)
    together = b"\n".join(texts[path] for path in sorted(texts))
    return Mentions(together, frozenset(run), frozenset(names), frozenset(packages), anything)


def _is_configuration(path: str) -> bool:
    name = PurePosixPath(path).name
    return name in SCRIPTS or name in CONFIGURATION or name.endswith(".cmake")


def _text(file: Path) -> bytes:
    """A script or configuration without what is not for a build."""
    text = _bytes(file)
    if file.name == "pyproject.toml":
        return TABLE.sub(b"", text)
    if file.name != "meson.build":
        return text
    lists = set(re.findall(rb"\w+", b" ".join(INSTALLED.findall(text))))
    text = INSTALLED.sub(b"", text)
    for name in lists:  # variables that hold only files to copy
        if len(re.findall(rb"\b%s\b" % name, text)) == 1:
            text = re.sub(rb"^\s*%s\s*=\s*(?:files\()?\[[^\[\]]*\]" % name, b"", text, flags=re.M)
    return text


def _bytes(file: Path) -> bytes:
    return file.read_bytes() if file.is_file() and not file.is_symlink() else b""


def copied_files(wheel: Path, whole: Path, root: Path, named: Mentions) -> dict[str, str]:
    """The files that a wheel has as they are and no extension module depends on.

    Their paths in the wheel, by those below `whole`, the folder around the project in `root`.
    """
    with zipfile.ZipFile(wheel) as archive:
        installed = dict(members(archive))
        stems = {m.partition(".")[0] for m in installed if m.endswith((".so", ".pyd"))}
        tops = {member.partition("/")[0].partition(".")[0] for member in installed}
        compiles = (re.search(rb"(?<![\w-])%s\b" % word, named.text) for word in COMPILES_PYTHON)
        in_doubt = (
            named.anything or any(compiles) or not named.packages.isdisjoint({*tops, RELATIVE})
        )
        sources_of = sources_below(root, whole)
        copied = {}
        for member, name in installed.items():
            sources = sources_of(member)
            if not sources or _bytes(whole / sources[0]) != archive.read(name) or sources[1:]:
                continue
            is_code = member.endswith(".py") and member.removesuffix(".py") not in stems
            if named.is_aside(sources[0]) or (
                is_code and not in_doubt and not named.is_named(sources[0])
            ):
                copied[sources[0]] = member
    return copied


def sources_below(root: Path, whole: Path) -> Callable[[str], list[str]]:
    """What lists the files below `root` that a file of its wheel may be, by paths below `whole`."""
    by_name: dict[str, list[str]] = {}
    for file in root.rglob("*"):
        if BUILT not in file.parts:
            by_name.setdefault(file.name, []).append(file.relative_to(whole).as_posix())

    def sources(member: str) -> list[str]:
        ends = by_name.get(PurePosixPath(member).name, ())
        return [path for path in ends if f"/{path}".endswith(f"/{member}")]

    return sources


def members(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Where each file of a wheel that can be imported is installed, and its name in the archive."""
    for name in archive.namelist():
        place = re.sub(r"^[^/]*\.data/(?:pure|plat)lib/", "", name)
        if not place.endswith("/") and not re.match(r"[^/]*\.data/", place):
            yield place, name
