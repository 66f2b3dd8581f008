"""Repositories that want to harm whoever compares their commits, or that are only odd.

Each comparison ends as foreseen. The repository, git's own files included, and the folder beside it
are the same to the byte afterwards.
"""

import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.compare import result

pytestmark = [
    pytest.mark.usefixtures("temporary"),
    pytest.mark.skipif(os.name == "nt", reason="made of links, pipes, hooks"),
]

PYPROJECT = '[project]\nname = "shapes"\nversion = "1.0"\n'
CODE = "def area():\n    return 6\n"
TEST = (
    "from shapes.core import area\n\n\ndef test_area(benchmark):\n    assert benchmark(area) == 6\n"
)
ASV = "from shapes.core import area\n\n\ndef time_area():\n    area()\n"
SCRIPT = "#!/bin/sh\ntouch {marker}\n"


class Repository:
    """A project of one package with a test, in `here`; `beside` it lies what is somebody else's."""

    def __init__(self, folder: Path) -> None:
        self.here, self.beside = folder / "here", folder / "beside"
        self.marker = self.beside / "marker"
        self.start = self.here  # where the command is called
        self.variables: dict[str, str] = {}

    def make(self) -> None:
        """Write it, with two commits."""
        for place in (self.here, self.beside):
            place.mkdir(parents=True)
            self.git("init", "--quiet", "--initial-branch=main", folder=place)
        for name in ("precious.txt", "conftest.py", "asv.conf.json", "tests/test_core.py"):
            self.write(f"../beside/{name}", f"# precious: {name}\n")
        self.git("add", "--all", folder=self.beside)
        self.commit("theirs", folder=self.beside)
        self.write("pyproject.toml", PYPROJECT)
        self.write("shapes/__init__.py", "")
        self.write("shapes/core.py", CODE)
        self.write("tests/test_core.py", TEST)
        self.commit("first")
        self.write("README.md", "only words\n")
        self.commit("second")

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        file = self.here / name
        if file.is_symlink():
            file.unlink()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
        return file

    def link(self, name: str, to: object) -> None:
        file = self.here / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.symlink_to(str(to))

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "gc.auto=0")
        more = ("-c", "protocol.file.allow=always")
        done = subprocess.run(
            ["git", *who, *more, *arguments],
            cwd=folder or self.here,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, message: str = "a commit", folder: Path | None = None) -> str:
        self.git("add", "--all", folder=folder)
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}", folder=folder)
        return self.git("rev-parse", "HEAD", folder=folder)

    def asv(self, benchmark_dir: object) -> None:
        """An asv suite instead of the test."""
        self.git("rm", "-rq", "--cached", "--ignore-unmatch", "tests")
        self.write("asv.conf.json", json.dumps({"repo": ".", "benchmark_dir": benchmark_dir}))
        self.write("benchmarks/bench.py", ASV)


def snapshot(folder: Path) -> dict[str, Any]:
    """Everything in a folder: kinds, modes, contents."""
    found: dict[str, Any] = {}
    for at, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(at, name)
            mode = path.lstat().st_mode
            what: Any = None
            if stat.S_ISLNK(mode):
                what = path.readlink()
            elif stat.S_ISREG(mode):
                what = path.read_bytes()
            found[os.fsdecode(os.path.relpath(path, folder))] = (mode, what)
    return found


# --- the repositories: each is prepared, and gives the revisions to compare -----------------------

Prepare = Callable[[Repository], str | None]
CASES: dict[str, tuple[Prepare, set[int], str]] = {}


def case(code: int, fragment: str = "") -> Callable[[Prepare], Prepare]:
    """A repository with which the command ends by that code, and says that."""

    def kept(prepare: Prepare) -> Prepare:
        CASES[prepare.__name__] = prepare, {code}, fragment
        return prepare

    return kept


def cases(code: int, fragment: str, prepare: Callable[..., str | None], *given: object) -> None:
    """The same repository with one of several values."""
    taken = sum(name.startswith(prepare.__name__) for name in CASES)
    for number, value in enumerate(given, taken):

        def prepared(it: Repository, value: object = value) -> str | None:
            return prepare(it, value)

        CASES[f"{prepare.__name__}{number}"] = prepared, {code}, fragment


def benchmark_dir(it: Repository, value: object) -> None:
    (it.here / "tests/test_core.py").unlink()
    it.asv(str(value).format(it=it) if isinstance(value, str) else value)
    it.commit()


cases(
    2,
    "asv.conf.json: benchmark_dir is",
    benchmark_dir,
    *(
        "{it.beside}",
        "../beside",
        "{it.here}/benchmarks",
        "..",
        "../here/benchmarks",
        "/",
        "~/../..",
    ),
    *("benchmarks/../../beside", "", " ", "a\0b", "x" * 300, "x/" * 3000, "\ud800", 3, None, []),
)


@case(2, "there is no folder 'benchmarks'")
def benchmark_dir_that_is_a_link(it: Repository) -> None:
    (it.here / "tests/test_core.py").unlink()
    it.asv("benchmarks")
    (it.here / "benchmarks/bench.py").rename(it.beside / "bench.py")
    (it.here / "benchmarks").rmdir()
    it.link("benchmarks", it.beside)
    it.commit()


def link_at_the_base(it: Repository, given: object) -> None:
    """A file of the suite, or the folder that it is in, leads elsewhere at the base."""
    name, to = str(given).format(it=it).split("|")
    text = {"asv.conf.json": '{"repo": "."}'}.get(name, "")
    if name == "asv.conf.json":
        it.write("benchmarks/bench.py", ASV)
    (it.here / "tests/test_core.py").unlink()
    (it.here / "tests").rmdir()
    if name != "tests":
        it.write("tests/test_core.py", TEST)
    it.link(name, to)
    it.commit()
    (it.here / name).unlink()
    if name == "tests":
        it.write("tests/test_core.py", TEST)
    else:
        it.write(name, text)
    it.commit()


cases(
    0,
    "",
    link_at_the_base,
    *("tests|{it.beside}/tests", "tests|../beside/tests", "tests|shapes", "tests|."),
    *("conftest.py|{it.beside}/conftest.py", "conftest.py|../beside/new.py"),
    *("asv.conf.json|../beside/asv.conf.json", "asv.conf.json|/dev/zero"),
)


def place_of_the_version(it: Repository, given: object) -> None:
    table, key, place = str(given).format(it=it).split("|")
    it.write("pyproject.toml", f"{PYPROJECT}[tool.{table}]\n{key} = '{place}'\n")
    it.commit()


TABLES = (
    "setuptools_scm|version_file|",
    "setuptools_scm|write_to|",
    "hatch.build.hooks.vcs|version-file|",
    "pdm.version|write_to|",
)
cases(2, "[tool.setuptools_scm] version_file", place_of_the_version, TABLES[0] + "../beside/x.py")
cases(2, "[tool.setuptools_scm] write_to", place_of_the_version, TABLES[1] + "{it.beside}/x.py")
cases(2, "version-file is", place_of_the_version, TABLES[2] + "shapes/../../beside/x.py")
cases(2, "[tool.pdm.version] write_to", place_of_the_version, TABLES[3] + "..", TABLES[3] + ".")


def called(it: Repository, given: object) -> None:
    name, version = str(given).split("|")
    it.write("pyproject.toml", f'[project]\nname = "{name}"\nversion = "{version}"\n')
    it.commit()


cases(2, "", called, "a/b|1.0", "../../beside/x|1", "shapes|1/../../../beside", f"{'x' * 300}|1")
cases(2, "", called, r"a\u0000b|1", "/|1", "shapes|/etc/x")
cases(0, "", called, r"shapes\nVersion: 2|1", "..|1", "shapes|1\\u0301")


def hook(it: Repository, given: object) -> None:
    file = it.write(f".git/hooks/{given}", SCRIPT.format(marker=it.marker), 0o755)
    assert file.is_file()


HOOKS = ("post-index-change", "post-checkout", "reference-transaction", "pre-auto-gc", "fsmonitor")
cases(0, "", hook, *HOOKS)


def setting(it: Repository, given: object) -> None:
    key, _, value = str(given).partition("=")
    script = it.write(".git/script", SCRIPT.format(marker=it.marker), 0o755)
    it.git("config", key, value.format(script=script))


cases(
    0,
    "",
    setting,
    *("core.fsmonitor={script}", "core.pager={script}", "core.sshCommand={script}"),
    *("core.splitIndex=true", "core.untrackedCache=true", "index.version=4", "color.ui=always"),
    *("log.showSignature=true", "gpg.program={script}", "status.branch=true", "core.quotePath=no"),
    *("alias.rev-parse=!{script}", "diff.external={script}", "core.autocrlf=true"),
    *("core.warnAmbiguousRefs=false", "core.preloadIndex=true", "feature.manyFiles=true"),
)


@case(0)
def hooks_elsewhere(it: Repository) -> None:
    for name in HOOKS:
        it.write(f".git/odd/{name}", SCRIPT.format(marker=it.marker), 0o755)
    it.git("config", "core.hooksPath", ".git/odd")


@case(0)
def variables_of_a_hook(it: Repository) -> None:
    """As if it was called by a hook of another repository."""
    theirs = it.beside / ".git"
    it.variables = {
        "GIT_DIR": str(theirs),
        "GIT_WORK_TREE": str(it.beside),
        "GIT_INDEX_FILE": str(theirs / "index"),
        "GIT_OBJECT_DIRECTORY": str(theirs / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(theirs / "objects"),
        "GIT_COMMON_DIR": str(theirs),
        "GIT_NAMESPACE": "odd",
        "GIT_PREFIX": "odd/",
        "GIT_CEILING_DIRECTORIES": str(it.here),
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.bare",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_TRACE": str(it.marker),
        "GIT_TRACE2_EVENT": str(it.marker),
    }


@case(2, "'v1' names several commits: refs/tags/v1 and refs/heads/v1; write one of these")
def tag_and_branch(it: Repository) -> str:
    it.git("tag", "v1", "HEAD~1")
    it.git("branch", "v1", "HEAD")
    return "v1"


@case(0)
def tag_and_branch_in_full(it: Repository) -> str:
    tag_and_branch(it)
    return "refs/tags/v1"


@case(0)
def tag_and_branch_of_one_commit(it: Repository) -> str:
    it.git("tag", "--annotate", "--message=one", "v1", "HEAD~1")
    it.git("branch", "v1", "HEAD~1")
    return "v1"


@case(2, "names several commits")
def branch_that_looks_like_a_hash(it: Repository) -> str:
    short = it.git("rev-parse", "HEAD~1")[:8]
    it.git("branch", short, "HEAD")
    return short


@case(0)
def odd_files(it: Repository) -> None:
    """Odd names, what may only be read, a file in place of a folder and the other way round."""
    for name in ("a\nb.py", "[x].py", "ä☃.txt", "-x", "--help", "a b", "x;y", "x" * 250, "$(x)"):
        it.write(f"data/{name}", name)
    Path(os.fsdecode(bytes(it.here / "data") + b"/\xff\xfe.txt")).touch()
    it.write("/".join(["deep"] * 200) + "/file", "deep")
    it.write("fixed/file", "", 0o400)
    it.write("fixed/run", "#!/bin/sh\n", 0o755)
    it.write("folder/file", "ours")
    it.write("other", "ours")
    it.commit()
    it.write("data/new\n[name].txt", "")
    (it.here / "fixed").chmod(0o500)
    (it.here / "folder/file").unlink()
    (it.here / "folder").rmdir()
    it.link("folder", it.beside)
    (it.here / "other").unlink()
    it.write("other/file", "")


@case(0)
def links_everywhere(it: Repository) -> None:
    """Also where the version is to be written."""
    for name, to in {
        "data/root": "/",
        "data/up": "../..",
        "data/itself": "itself",
        "data/circle": "../data",
        "data/one": "two",
        "data/two": "one",
        "data/absolute": it.here / "shapes",
        "data/beside": it.beside,
        "data/zero": "/dev/zero",
        "data/process": "/proc/self/root",
        "shapes/more": it.beside,
        "shapes/sub": it.beside,
        "shapes/_version.py": "../../beside/new.py",
    }.items():
        it.link(name, to)
    scm = "version_file = 'shapes/sub/x.py'\nwrite_to = 'shapes/_version.py'\n"
    it.write("pyproject.toml", f"{PYPROJECT}[tool.setuptools_scm]\n{scm}")
    it.commit()
    it.link("data/new", it.beside / "precious.txt")


@case(0)
def neither_file_nor_link(it: Repository) -> None:
    it.write("data.txt", "")
    it.commit()
    (it.here / "data.txt").unlink()
    for name in ("data.txt", "asv.conf.json", "tests/pipe.py"):
        os.mkfifo(it.here / name)
    with contextlib.chdir(it.here), socket.socket(socket.AF_UNIX) as end:
        end.bind("socket")


@case(0)
def linked_worktree(it: Repository) -> None:
    it.git("branch", "topic")
    it.git("worktree", "add", "--quiet", "../tree", "topic")
    it.start = it.here.parent / "tree"


def submodule(it: Repository, name: str = "vendored") -> Path:
    kernel = it.here.parent / "kernel"
    kernel.mkdir()
    it.git("init", "--quiet", "--initial-branch=main", folder=kernel)
    it.write("../kernel/kernel.py", "VALUE = 1\n")
    it.commit("one", folder=kernel)
    it.write("../kernel/kernel.py", "VALUE = 2\n")
    it.commit("two", folder=kernel)
    it.git("submodule", "--quiet", "add", str(kernel), name)
    return it.here / name


@case(0)
def submodule_that_is_not_initialised(it: Repository) -> None:
    submodule(it)
    it.commit()
    it.git("submodule", "--quiet", "deinit", "--all")
    subprocess.run(["rm", "-rf", it.here / ".git/modules"], check=True)
    it.commit("nothing of it")


@case(2, "The submodule vendored differs between HEAD~1 and the working tree")
def submodule_that_is_not_here_and_differs(it: Repository) -> None:
    place = submodule(it)
    it.git("checkout", "--quiet", "HEAD~1", folder=place)
    it.commit()
    it.git("checkout", "--quiet", "main", folder=place)
    it.commit()
    it.git("submodule", "--quiet", "deinit", "--all")
    subprocess.run(["rm", "-rf", it.here / ".git/modules"], check=True)


def name_of_a_submodule(it: Repository, given: object) -> None:
    submodule(it)
    it.commit()
    it.git("submodule", "--quiet", "deinit", "--all")
    subprocess.run(["rm", "-rf", it.here / ".git/modules"], check=True)
    text = f'[submodule "{given}"]\n\tpath = vendored\n\turl = x\n'
    it.write(".gitmodules", text)
    it.commit()
    it.commit("nothing of it")


cases(0, "", name_of_a_submodule, "../../../kernel/.git", "/", "x", "..", "é\n")


@case(2, "is not in a git repository with a working tree")
def bare(it: Repository) -> None:
    it.git("clone", "--quiet", "--bare", str(it.here), "../bare")
    it.start = it.here.parent / "bare"


@case(2, "is not in a git repository with a working tree")
def in_the_folder_of_git(it: Repository) -> None:
    it.start = it.here / ".git"


@case(2, "There is no commit 'HEAD~1' here")
def without_a_commit(it: Repository) -> None:
    it.start = it.here.parent / "empty"
    it.start.mkdir()
    it.git("init", "--quiet", folder=it.start)
    it.write("../empty/pyproject.toml", PYPROJECT)


@case(0)
def filter_that_nobody_configured(it: Repository) -> None:
    it.write(".gitattributes", "* filter=odd diff=odd\n*.py working-tree-encoding=UTF-8\n")
    it.commit()


@case(2, "cannot be written to")
def filter_that_fails(it: Repository) -> None:
    it.write(".gitattributes", "*.txt filter=odd\n")
    it.write("data.txt", "")
    it.commit()
    it.commit()
    for key, value in (("smudge", "false"), ("clean", "cat"), ("required", "true")):
        it.git("config", f"filter.odd.{key}", value)


@case(0, "same code")
def object_in_place_of_another(it: Repository) -> None:
    """The base, as git shows it, has other code; its hash stands for what it has."""
    base = it.git("rev-parse", "HEAD~1")
    it.git("checkout", "--quiet", "--detach", base)
    it.write("shapes/core.py", CODE.replace("6", "7"))
    other = it.commit("other")
    it.git("checkout", "--quiet", "main")
    it.git("replace", base, other)


@case(0, "same code")
def grafts(it: Repository) -> None:
    it.write(".git/info/grafts", f"{it.git('rev-parse', 'HEAD')}\n")


@case(0, "same code")
def sparse(it: Repository) -> str:
    it.write("data/file", "")
    it.commit()
    it.commit()
    it.git("sparse-checkout", "set", "--sparse-index", "tests")
    return "HEAD~1 HEAD"


@case(0)
def locked_index(it: Repository) -> None:
    it.write(".git/index.lock", "")


def odd_configuration(it: Repository, given: object) -> None:
    it.write("pyproject.toml", str(given))
    it.commit()


cases(2, "pyproject.toml", odd_configuration, "[project", "project = 1\ntool = 2")
cases(0, "", odd_configuration, "[[project]]\nname = 'x'", "")


@case(2, "have no commit in common here; --exact compares the two as they are")
def unrelated(it: Repository) -> str:
    it.git("branch", "before")
    it.git("checkout", "--quiet", "--orphan", "other")
    it.commit()
    return "before"


@case(0)
def unrelated_but_as_asked(it: Repository) -> str:
    return f"{unrelated(it)} --exact"


def chosen() -> list[str]:
    """All repositories, but only one of those that differ in a value.

    With `MLPPERF_HOSTILE=all` in the environment all of them.
    """
    alike: dict[str, list[str]] = {}
    for name in CASES:
        alike.setdefault(name.rstrip("0123456789"), []).append(name)
    every = os.environ.get("MLPPERF_HOSTILE") == "all"
    return [name for names in alike.values() for name in (names if every else names[:1])]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a repository as every case begins with it."""
    folder = tmp_path_factory.mktemp("template") / "world"
    Repository(folder).make()
    return folder


@pytest.mark.usefixtures("few_processes")
@pytest.mark.parametrize("name", chosen())
def test_nothing_is_touched(
    name: str,
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    prepare, codes, fragment = CASES[name]
    if "submodule" in name:  # what is odd of these is over before a process starts
        request.getfixturevalue("in_forks")
    shutil.copytree(template, tmp_path / "world", symlinks=True)
    it = Repository(tmp_path / "world")
    asked = (prepare(it) or "HEAD~1").split()
    before = snapshot(tmp_path / "world")
    # Asked is whether there is a comparison at all: on a busy machine, all may be undecided.
    monkeypatch.setattr(result, "UNJUDGED_MOST", 1.0)
    arguments = [*asked, "--budget", "600", "--threshold", "95%"]
    arguments += ["--records", str(tmp_path / "records")]
    with contextlib.chdir(it.start), mock.patch.dict(os.environ, it.variables):
        done = CliRunner().invoke(app, ["compare", "--no-why", *arguments], catch_exceptions=False)
    assert snapshot(tmp_path / "world") == before
    undecided = done.exit_code == 2 and "all are undecided" in done.output
    assert done.exit_code in codes or (0 in codes and undecided), done.output
    assert fragment in " ".join(done.output.split())
    assert "Traceback" not in done.output
    if done.exit_code == 2:  # a verdict is on the page, another sentence on standard error
        sentences = [line for line in done.stdout.splitlines() if line.strip()][-1:]
        assert len(done.stderr.splitlines()) == (not sentences)
    assert not it.marker.exists()
