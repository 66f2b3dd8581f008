"""What two versions share."""

from pathlib import Path

import pytest

from mlpperf.engine.suites.discovery import Suite, discover
from mlpperf.engine.versions.own import Own, differ, share
from mlpperf.engine.versions.version import Version
from mlpperf.errors import MlpperfError


def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A version with a suite, one without, and something precious beside them."""
    source, target, beside = (tmp_path / name for name in ("head", "base", "beside"))
    for folder in (source / "tests" / "data", target / "src", beside / "tests"):
        folder.mkdir(parents=True)
    (source / "tests" / "test_it.py").write_text("head's", encoding="utf-8")
    (source / "tests" / "test_it.py").chmod(0o755)
    (source / "tests" / "link").symlink_to("../conftest.py")
    (source / "conftest.py").write_text("head's", encoding="utf-8")
    for name in ("conftest.py", "tests/test_it.py"):
        (beside / name).write_text("precious", encoding="utf-8")
    (target / "src" / "test_it.py").write_text("base's own", encoding="utf-8")
    return source, target, beside


@pytest.mark.parametrize("name", ["tests", "tests/test_it.py", "conftest.py"])
@pytest.mark.parametrize("kind", ["nothing", "file", "folder", "within", "out", "absolute", "lost"])
def test_a_suite_is_written_in_its_place_and_nowhere_else(
    name: str, kind: str, tmp_path: Path
) -> None:
    source, target, beside = folders(tmp_path)
    top = target / name.partition("/")[0]
    if kind == "file":
        top.write_text("base's", encoding="utf-8")
    elif kind == "folder":
        top.mkdir()
        (top / "test_old.py").touch()
    elif kind != "nothing":
        to = {"within": "src", "out": f"../beside/{top.name}", "lost": "nowhere"}
        top.symlink_to(to.get(kind, str(beside / top.name)))
    share(source, target, name)
    assert (target / name).stat().st_mode == (source / name).stat().st_mode
    written = target / name / "test_it.py" if name == "tests" else target / name
    assert written.read_text(encoding="utf-8") == "head's"
    assert not (target / name).is_symlink()
    if name == "tests":
        assert (target / "tests/link").readlink() == Path("../conftest.py")
        assert not (target / "tests/test_old.py").exists()
    assert (beside / "conftest.py").read_text(encoding="utf-8") == "precious"
    assert [p.name for p in (beside / "tests").iterdir()] == ["test_it.py"]
    assert (beside / "tests/test_it.py").read_text(encoding="utf-8") == "precious"
    assert (target / "src/test_it.py").read_text(encoding="utf-8") == "base's own"


@pytest.mark.parametrize("name", [".", "..", "../beside", "/", ""])
def test_what_is_no_part_of_a_version_is_notshared(name: str, tmp_path: Path) -> None:
    source, target, beside = folders(tmp_path)
    with pytest.raises(MlpperfError, match="A file of the suite is"):
        share(source, target, name)
    assert (target / "src/test_it.py").exists()
    assert (beside / "conftest.py").exists()


@pytest.mark.parametrize(
    ("base", "head"),
    [
        ("", "pytest_options = ['-k', 'not speed']"),
        ("commands.a = 'a'\ncommands.b = 'b'", "commands.a = 'a'"),
        ("", "[tool.pytest.ini_options]\ntestpaths = ['tests/some']"),
    ],
)
def test_suites_differ_by_options_and_commands_too(base: str, head: str, tmp_path: Path) -> None:
    suites = []
    for name, settings in {"base": base, "head": head}.items():
        (tmp_path / name / "tests/some").mkdir(parents=True)
        for place in ("tests/test_a.py", "tests/some/test_b.py"):
            (tmp_path / name / place).write_text("def test_speed(benchmark): ...\n")
        (tmp_path / name / "pyproject.toml").write_text(f"[tool.mlpperf]\n{settings}\n")
        suites.append((discover(tmp_path / name), tmp_path / name))
    (theirs, old), (ours, new) = suites
    assert differ(ours, theirs, new, old)
    assert not differ(ours, ours, new, new)


@pytest.mark.parametrize(
    ("places", "given_back", "written"),
    [
        (["tests/test_it.py"], ["tests/test_it.py"], ["tests/test_it.py"]),
        (["tests/test_new.py"], [], []),
        (["tests/test_new.py", "tests/test_it.py"], ["tests/test_it.py"], ["tests/test_it.py"]),
        ([""], [""], ["tests/test_it.py", "tests/test_more.py"]),
    ],
)
def test_the_base_gets_its_own_files_back_where_it_has_some(
    places: list[str], given_back: list[str], written: list[str], tmp_path: Path
) -> None:
    own, base = tmp_path / "own", tmp_path / "base"
    for folder, names in ((own, ("it", "more")), (base, ("it", "new", "more"))):
        (folder / "tests").mkdir(parents=True)
        for name in names:
            (folder / f"tests/test_{name}.py").write_text(folder.name, encoding="utf-8")
    files = ("tests/test_it.py", "tests/test_new.py", "tests/test_more.py")
    suite = Suite("pytest", (), files, files, "tests")
    theirs = Own(Version("old", "1", own), {})
    assert theirs.give_back(suite, places, base) == given_back
    assert [n for n in files if (base / n).read_text(encoding="utf-8") == "own"] == written
