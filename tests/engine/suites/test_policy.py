"""The policy of a project is read strictly, and beside that of the base."""

from datetime import date
from pathlib import Path

import msgspec
import pytest

from mlpperf.engine.suites.policy import (
    ACCEPTED,
    Acceptance,
    Budget,
    Policy,
    accepted,
    against_base,
    appended,
)
from mlpperf.engine.suites.settings import settings
from mlpperf.errors import MlpperfError

TODAY = date(2026, 11, 29)
ALL = """
[tool.mlpperf.gate.series]
"*slow*" = "warn"
"*" = "block"

[[tool.mlpperf.gate.budgets]]
series = "load"
peak-memory = "1.5 GB"

[[tool.mlpperf.gate.budgets]]
series = "sort[1000]"
reference = "sort[100]"
growth = "n log n"
at-most = 1.2
"""
ENTRY = Acceptance(
    "tests/test_a.py::test_b[é]", 'a "reason"', slower=0.124, base="1" * 40, until=date(2027, 1, 2)
)


def project(folder: Path, text: str, *entries: Acceptance) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    if entries:
        (folder / ACCEPTED).write_bytes(appended(folder, list(entries)))
    return folder


def test_all_settings_are_read(tmp_path: Path) -> None:
    read = settings(project(tmp_path, ALL, ENTRY)).policy
    budgets = [
        Budget("load", peak_memory="1.5 GB"),
        Budget("sort[1000]", reference="sort[100]", growth="n log n", at_most=1.2),
    ]
    assert read == Policy({"*slow*": "warn", "*": "block"}, budgets, [ENTRY])
    assert list(read.series) == ["*slow*", "*"]
    assert read.budgets[0].bytes_most == 1.5e9


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("budget = []", r"no setting 'budget' in \[tool.mlpperf.gate\]; did you mean budgets"),
        ("series = {'' = 'warn'}", "a key of series: expected a text that is not blank"),
        ("budgets = [{series = '', peak-memory = '1 MB'}]", "expected a text that is not blank"),
        ("series = ['a']", "expected a table, got a list"),
        ("budgets = [{peak-memory = '1 MB'}]", "there has to be a setting `series`"),
        ("budgets = [{series = 'a', atmost = 1}]", "there is no setting `atmost`"),
        (
            "series = {a = 'ignore'}",
            r"no action 'ignore' in \[tool.mlpperf.gate.series\]; there are block, warn",
        ),
        ("budgets = [{series = 'a'}]", "a budget has either peak-memory or reference"),
        ("budgets = [{series = 'a', peak-memory = 'much'}]", "a size such as 200 MB, not 'much'"),
        ("budgets = [{series = 'a', peak-memory = '0 MB'}]", "a size such as 200 MB, not '0 MB'"),
        ("budgets = [{series = 'a', peak-memory = '1 MB', at-most = 1}]", "need a reference"),
        ("budgets = [{series = 'a', reference = 'b'}]", "a reference needs at-most or growth"),
        ("budgets = [{series = 'a', reference = 'b', at-most = 0}]", "expected a number > 0"),
        (
            "budgets = [{series = 'a', reference = 'b', growth = '2^n'}]",
            r"growth: it cannot be '2\^n'",
        ),
        (
            "budgets = [{series = 1, reference = 'b', at-most = 1}]",
            r"budgets\[0\].series: expected a text, not 1",
        ),
    ],
)
def test_what_is_not_known_is_refused(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(MlpperfError, match=why):
        settings(project(tmp_path, f"[tool.mlpperf.gate]\n{text}\n"))


def test_a_gate_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MlpperfError, match=r"\[tool.mlpperf.gate\]: expected a table"):
        settings(project(tmp_path, "[tool.mlpperf]\ngate = 3\n"))


def test_acceptances_are_appended_to_what_is_there(tmp_path: Path) -> None:
    before = b'# ours\r\n[[accepted]]\r\nseries = "x"\r\nbecause = "y"'
    (tmp_path / ACCEPTED).write_bytes(before)
    content = appended(tmp_path, [ENTRY])
    assert content.startswith(before)
    (tmp_path / ACCEPTED).write_bytes(content)
    assert accepted(tmp_path) == [Acceptance("x", "y"), ENTRY]


@pytest.mark.parametrize("name", ["a\nb", "\x7f\x1b[31m", "\u202e'\"\\", "x]]\n[[accepted]]"])
def test_any_name_and_reason_is_read_back_as_it_was_written(name: str, tmp_path: Path) -> None:
    entry = Acceptance(name, f"because of {name}")
    (tmp_path / ACCEPTED).write_bytes(appended(tmp_path, [entry]))
    assert accepted(tmp_path) == [entry]
    with pytest.raises(MlpperfError, match="cannot hold such a name or reason"):
        appended(tmp_path, [Acceptance("\ud83d", "half of a pair")])


@pytest.mark.parametrize("field", ["value = nan", "value = inf", "slower = inf"])
def test_an_acceptance_without_a_limit_is_refused(field: str, tmp_path: Path) -> None:
    (tmp_path / ACCEPTED).write_text(f"[[accepted]]\nseries = 'x'\nbecause = 'y'\n{field}\n")
    with pytest.raises(MlpperfError, match=f"{ACCEPTED} .*expected a number"):
        accepted(tmp_path)


@pytest.mark.parametrize("field", ["series", "because"])
def test_an_acceptance_that_is_blank_is_refused(field: str, tmp_path: Path) -> None:
    text = {"series": "x", "because": "y", field: " "}
    lines = "".join(f"{key} = '{value}'\n" for key, value in text.items())
    (tmp_path / ACCEPTED).write_text(f"[[accepted]]\n{lines}")
    with pytest.raises(MlpperfError, match="expected a text that is not blank, not ' '"):
        accepted(tmp_path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    for text in ("[[accepted]", '[[accepted]]\nseries = "x"', '[[accepted]]\nserie = "x"'):
        (tmp_path / ACCEPTED).write_text(text)
        with pytest.raises(MlpperfError, match=ACCEPTED):
            settings(tmp_path)
        with pytest.raises(MlpperfError, match=ACCEPTED):
            appended(tmp_path, [ENTRY])


def lapsed(base: Path, head: Path) -> list[str]:
    policy = against_base(settings(head).policy, base, head, TODAY, tuple)
    return [entry.lapsed for entry in policy.accepted]


def test_an_acceptance_counts_until_it_expires_or_the_base_has_it(tmp_path: Path) -> None:
    plain = project(tmp_path / "base", "")
    head = project(tmp_path / "head", "", ENTRY)
    assert lapsed(plain, head) == [""]
    assert lapsed(head, head) == ["the base has this acceptance, too"]
    old = Acceptance("x", "y", until=date(2026, 11, 28))
    today = Acceptance("x", "y", until=TODAY)
    late = project(tmp_path / "late", "", old, today)
    assert lapsed(plain, late) == ["it expired after 2026-11-28", ""]


@pytest.mark.parametrize(
    "edited", [{"slower": 2.0}, {"until": None}, {"because": "again"}, {"series": "tests/test*"}]
)
def test_an_acceptance_of_the_base_that_is_edited_does_not_count(
    edited: dict[str, object], tmp_path: Path
) -> None:
    base = project(tmp_path / "base", "", ENTRY)
    head = project(tmp_path / "head", "", msgspec.structs.replace(ENTRY, **edited))
    assert lapsed(base, head) == ["the base has this acceptance, too"]


def test_an_acceptance_by_another_comparison_counts_beside_that_of_the_base(tmp_path: Path) -> None:
    base = project(tmp_path / "base", "", ENTRY)
    again = msgspec.structs.replace(ENTRY, base="2" * 40)
    assert lapsed(base, project(tmp_path / "head", "", again)) == [""]
    other = msgspec.structs.replace(ENTRY, series="tests/test_a.py::test_c")
    assert lapsed(base, project(tmp_path / "other", "", other)) == [""]


def changes(base: Path, head: Path) -> list[str]:
    policy = against_base(settings(head).policy, base, head, TODAY, lambda: {"asv", "pytest"})
    return policy.changes


def test_what_differs_from_the_base_is_named(tmp_path: Path) -> None:
    base = project(tmp_path / "base", '[tool.mlpperf]\nthreshold = "1%"\nbudget = 3\n')
    text = '[tool.mlpperf]\nthreshold = "50%"\nbudget = 4\n[tool.mlpperf.gate.series]\n"*"="warn"\n'
    head = project(tmp_path / "head", text, ENTRY)
    assert changes(base, head) == [
        "budget: 3 → 4",
        'gate.series.*: none → "warn"',
        'threshold: "1%" → "50%"',
        f"accepted: {ENTRY.series}",
    ]
    assert changes(head, head) == []


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("pytest_options = ['-k', 'not it']", "pytest_options"),
        ("bytecodes = '1%'", "bytecodes"),
        ("paths = []", "paths"),
        ("extras = ['compiled']", "extras"),
        ("commands.total = 'total'", "commands.total"),
        ("commands.total = {command = 'total', compare-output = false}", "commands.total.command"),
        ("build.environment.CFLAGS = '-O3'", "build.environment.CFLAGS"),
    ],
)
def test_any_setting_that_is_added_or_removed_is_named(
    setting: str, named: str, tmp_path: Path
) -> None:
    without = project(tmp_path / "without", "")
    with_it = project(tmp_path / "with", f"[tool.mlpperf]\n{setting}\n")
    for base, head, end in ((without, with_it, ": none → "), (with_it, without, " → none")):
        assert any(one.startswith(named) and end in one for one in changes(base, head))


def test_what_init_writes_changes_nothing(tmp_path: Path) -> None:
    base = project(tmp_path / "base", "")
    written = '[tool.mlpperf]\nsuites = ["asv", "pytest"]\nthreshold = "{}"\n'
    head = project(tmp_path / "head", written.format("0.5%"))
    assert changes(base, head) == []
    fewer = project(tmp_path / "fewer", written.format("1%").replace('"asv", ', ""))
    assert changes(base, fewer) == ['suites: none → ["pytest"]', 'threshold: none → "1%"']


def test_no_change_of_a_long_or_nested_setting_is_missed(tmp_path: Path) -> None:
    long = "'" + "x" * 100
    bases = (f"[tool.mlpperf]\naccept = [{long}']\n", ALL)
    heads = (f"[tool.mlpperf]\naccept = [{long}y']\n", ALL.replace("1.2", "9.0"))
    shown = []
    for i, (base, head) in enumerate(zip(bases, heads, strict=True)):
        folders = (project(tmp_path / f"{side}{i}", text) for side, text in enumerate((base, head)))
        shown += changes(*folders)
    assert shown[0].startswith('accept: ["xxxx')
    assert shown[1:] == ["gate.budgets.2.at-most: 1.2 → 9.0"]


def test_the_order_of_patterns_is_a_setting(tmp_path: Path) -> None:
    """Because the first one that fits decides."""
    lines = ['"*a*" = "block"\n', '"*" = "warn"\n']
    texts = (f"[tool.mlpperf.gate.series]\n{''.join(some)}" for some in (lines, lines[::-1]))
    base, head = (project(tmp_path / str(i), text) for i, text in enumerate(texts))
    (change,) = changes(base, head)
    assert change == "gate.series: the order of its patterns"


def test_a_base_whose_settings_cannot_be_read_has_none(tmp_path: Path) -> None:
    base = project(tmp_path / "base", "[tool")
    (base / ACCEPTED).write_text("[")
    head = project(tmp_path / "head", "[tool.mlpperf]\nunjudged = '90%'\n", ENTRY)
    assert changes(base, head) == ['unjudged: none → "90%"', f"accepted: {ENTRY.series}"]
    assert lapsed(base, head) == [f"the file {ACCEPTED} of the base is damaged"]
