"""Versions that are ready to be compared, and their settings."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.versions.prepare import pair
from mlpperf.engine.versions.revisions import Revisions

pytestmark = pytest.mark.usefixtures("temporary")


def test_a_policy_is_that_of_the_head_beside_that_of_the_base(made: Any, project: Any) -> None:
    text = (project.folder / "pyproject.toml").read_text("utf-8")
    project.write("pyproject.toml", f'{text}\n[tool.mlpperf.gate.series]\n"*" = "warn"\n')
    entry = '[[accepted]]\nseries = "x"\nbecause = "y"\n'
    project.write(".mlpperf-accepted.toml", entry)
    policy = made("HEAD", None).settings.policy
    assert policy.series == {"*": "warn"}
    assert policy.changes == ['gate.series.*: none → "warn"', "accepted: x"]
    assert [one.lapsed for one in policy.accepted] == [""]
    project.commit("a policy")
    policy = made("HEAD", None).settings.policy
    assert policy.changes == []
    assert [one.lapsed for one in policy.accepted] == ["the base has this acceptance, too"]


def test_a_named_commit_of_the_suites_is_known_by_its_hash(project: Any, tmp_path: Path) -> None:
    with contextlib.chdir(project.folder):
        named = pair(Revisions("HEAD", None, benchmarks="HEAD"), project.folder, tmp_path)
    assert named.benchmarks == project.git("rev-parse", "HEAD").strip()


def test_without_a_name_no_commit_of_the_suites_is_known(made: Any) -> None:
    assert made("HEAD", None).benchmarks == ""
