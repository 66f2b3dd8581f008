"""Whole comparisons of releases and environments, as the command makes them."""

import contextlib
import json
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.files import own_folder

pytestmark = pytest.mark.usefixtures("temporary")
WITH_CART = ("--base-with", "cart==1.0", "--head-with", "cart==1.0")


def compared(project: Any, *arguments: str, format: str = "json") -> tuple[int, Any, str]:
    """Run `mlpperf compare` there: its exit code, its output, and what is on standard error."""
    with contextlib.chdir(project.folder), mock.patch.dict("os.environ"):
        given = ["compare", "--budget", "600", "--threshold", "50%", "--no-why"]
        given += [
            "--format",
            format,
            *arguments,
            "--records",
            str(project.folder.parent / "records"),
        ]
        done = CliRunner().invoke(app, given, catch_exceptions=False)
    shown = json.loads(done.stdout or "null") if format == "json" else done.stdout
    return done.exit_code, shown, done.stderr


def words(record: dict[str, Any]) -> dict[str, str]:
    """The first word of the verdict of every series."""
    verdicts = {one["variant"]: one["verdict"].split()[0].strip(":") for one in record["series"]}
    return {**verdicts, **{names[2]: "skipped" for names in record["untouched"]}}


@pytest.mark.usefixtures("few_processes")
def test_a_slower_release_is_reported_and_what_it_did_not_change_is_skipped(market: Any) -> None:
    code, record, _ = compared(market, "town==1.0", "town==2.0", *WITH_CART)
    assert words(record) == {"test_walk": "slower", "test_stand": "skipped", "test_cart": "skipped"}
    assert code == 1
    assert (record["base"], record["head"]) == ("town 1.0", "town 2.0")
    assert record["commits"] == {"base": None, "head": None}
    assert record["releases"] == {"base": "town==1.0", "head": "town==2.0"}
    assert (record["environments"], record["isolated"]) == ({}, "")
    assert "Regression at town 2.0: tests/test_town.py::test_walk is slower" in record["verdict"]


@pytest.mark.usefixtures("few_processes", "in_forks", "by_hand")
def test_a_slower_dependency_is_reported_also_if_both_would_share_what_uses_it(
    market: Any, wheels: Any
) -> None:
    wheels("wagon", "1.0", {"wagon.py": "from cart import carry\n"}, "cart")
    market.replace("tests/test_town.py", "import cart", "import wagon as cart")
    market.commit("a wagon")
    given = ("HEAD", "--base-with", "cart==1.0", "--head-with", "cart==2.0", "--with", "wagon")
    code, text, _ = compared(market, *given, "--verbose", format="text")
    assert code == 1
    assert "test_cart" in text.partition("Slower (1)")[2].partition("Skipped (2)")[0]
    shown = " ".join(text.split())
    assert "The environments differ: cart 1.0 → 2.0." in shown
    assert "Regression at the working tree with cart 2.0:" in shown
    assert "bisect" not in text


@pytest.mark.usefixtures("few_processes", "in_forks", "by_hand")
def test_the_same_environment_is_the_same_and_timed_if_asked(market: Any) -> None:
    code, record, _ = compared(market, *WITH_CART)
    assert (code, record["same"], record["environments"]) == (0, True, {})
    _, record, _ = compared(market, *WITH_CART, "--all", "--series", "test_cart")
    (series,) = record["series"]
    assert series["processes"]
    assert not series["wrong"]


def check_refusal(market: Any, given: tuple[str, ...], sentence: str) -> None:
    code, record, error = compared(market, *given)
    assert (code, record) == (2, None)
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    assert not list(own_folder().glob("versions-*"))


def test_what_pip_does_not_find_is_refused_in_a_sentence(market: Any) -> None:
    check_refusal(market, ("town==9.0", "HEAD"), "town==9.0 cannot be installed")


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("no-such-package==1", "HEAD"), "A release is written NAME==VERSION"),
        (("town-7.0-py3-none-any.whl", "HEAD"), "There is no wheel town-7.0"),
        (("HEAD", "--head-with", "cart==9"), "cart==9 cannot be installed"),
        (("HEAD", "--head-with", "cart==1.0", "--head-with", "cart==2.0"), "cannot be installed"),
        (("HEAD", "--head-with", "pytest==8"), "pytest runs the benchmarks of both versions"),
        (("HEAD", "--head-with", "../cart"), "is no package that one version can have"),
        (("HEAD", "--base-python", "no-such-python"), "--base-python: 'no-such-python' is no"),
        ((), "BASE is missing"),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(
    given: tuple[str, ...], sentence: str, market: Any
) -> None:
    check_refusal(market, given, sentence)


def test_bisect_takes_no_release(market: Any) -> None:
    with contextlib.chdir(market.folder):
        done = CliRunner().invoke(app, ["bisect", "--good", "town==1.0"], catch_exceptions=False)
    assert done.exit_code == 2
    assert "'town==1.0' is a release, not a commit; only compare takes releases." in done.stderr
