"""Versions that are ready to be compared, and their settings."""

from typing import Any

import pytest

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
