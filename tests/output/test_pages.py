"""What commands print, on terminals of three widths, with and without colours."""

import io
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from mlpperf.engine import lines
from mlpperf.engine.compare import render
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.terminal import as_text

MADE = runpy.run_path(str(Path(__file__).with_name("pages.py")))
PAGES, WIDTHS, printed = MADE["PAGES"], MADE["WIDTHS"], MADE["printed"]


@pytest.mark.parametrize("name", MADE["FILES"])
def test_a_page_is_as_it_was(name: str) -> None:
    """After a change that was meant: `python tests/output/pages.py`."""
    assert MADE["FILES"][name]() == (MADE["FOLDER"] / name).read_text("utf-8")


def test_every_page_that_is_kept_is_made() -> None:
    assert {file.name for file in MADE["FOLDER"].iterdir()} == set(MADE["FILES"])


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [40, *WIDTHS])
def test_nothing_is_wider_than_the_terminal_but_commands(name: str, width: int) -> None:
    """A command is copied whole only if nothing but the terminal divides it."""
    for line in printed(PAGES[name](), width).splitlines():
        if line.startswith("Which commit?"):
            assert line.endswith(" --good v1.4.0"), "it is whole"
        else:
            assert cell_len(line) <= width


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("compare")])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_last_line_is_the_verdict_and_the_first_what_changed(name: str, width: int) -> None:
    text = printed(PAGES[name](), width)
    verdict = " ".join(text.rpartition("\nRegression at")[2].split())
    if name == "compare-policy":
        assert text.startswith("The settings differ from those of v1.4.0: ")
        assert "\nBudget exceeded at the working tree:" in text
    elif "Slower (" in text or "Wrong (" in text:
        assert re.match(r"(Slower|Wrong) \(", text)
        assert verdict.startswith("the working tree: ")
    else:
        assert text.splitlines()[-1].endswith((".", "are gone."))
        assert "\nNo regression" in text
    assert verdict.endswith(".")


def test_without_a_terminal_no_name_is_cut() -> None:
    text = as_text(PAGES["compare-odd-names"]())
    for finding in list(MADE["odd_names"]().findings.values())[:3]:
        assert lines.plain(finding.series.in_path) in text
    assert "…" not in text
    assert "\x1b" not in text


def in_encoding(encoding: str, page: Any) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    console = Console(file=file, width=100, force_terminal=True, color_system=None, _environ={})
    console.print(page)
    file.seek(0)
    return file.read()


def test_an_encoding_without_lines_gets_an_axis_of_plain_characters() -> None:
    page = PAGES["compare-regressions"]()
    plain = in_encoding("ascii", page)
    assert re.search(r"\|( +)o", plain)
    assert "[o" in plain
    assert re.search("│ *●", in_encoding("utf-8", page))


@pytest.mark.parametrize("colours", [True, False])
def test_colours_are_only_on_a_terminal_that_wants_them(colours: bool) -> None:
    page = PAGES["compare-regressions"]()
    given = {"color_system": "standard", "no_color": not colours}
    coloured = re.findall(r"\x1b\[[\d;]*3\dm", printed(page, 100, **given))
    assert bool(coloured) == colours


names = st.text(max_size=200)
ratios = st.floats(0.01, 100)


def interval(low: float, median: float, high: float) -> Interval:
    return Interval(median, low, high)


changes = st.tuples(ratios, ratios, ratios).map(lambda three: interval(*sorted(three)))
any_lines = st.lists(
    st.builds(
        lines.Line,
        group=names,
        name=names,
        cells=st.sampled_from([("1 ms", "", "+1,234.5 %"), ("漢字", "9", "9"), ()]),
        change=st.none() | changes,
        remark=names,
        kind=st.sampled_from(["", "good", "bad"]),
        above=st.tuples(names) | st.just(()),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(
    any_lines, st.sampled_from(["Slower (1)", "Skipped by the suite (1,234)"]), st.integers(24, 200)
)
def test_no_name_breaks_the_lines(made: list[lines.Line], title: str, width: int) -> None:
    page = lines.Lines(title, "bad", ("base", "head", "change"), made)
    text = printed(page, width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    # A name is one line, and so are numbers; a remark takes two at most.
    headings = sum(len(line.above) + 1 for line in made)
    assert len(text.splitlines()) <= 2 + headings + 5 * len(made)


# --- the axis -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "scale", "drawn"),
    [
        ((1.0, 1.0, 1.0), 0.01, "          ●          "),
        ((0.95, 1.0, 1.05), 0.1, "     ├────●────┤     "),
        ((0.97, 0.98, 1.05), 0.1, "       ├●─┼────┤     "),
        ((1.001, 1.002, 1.003), 0.1, "          │●         "),  # excludes zero
        ((0.997, 0.998, 0.999), 0.1, "         ●│          "),
        ((1.05, 1.1, 1.15), 0.1, "          │    ├────▶"),
        ((1.05, 1.5, 1.9), 0.1, "          │    ├────▶"),
        ((0.5, 0.95, 1.9), 0.1, "◀────●────┼─────────▶"),
        ((2.0, 3.0, 4.0), 0.5, "          │         ▶"),
        ((0.1, 0.2, 0.3), 0.5, "◀         │          "),
        ((1.0, 1.0, float("inf")), 1.0, "          ●─────────▶"),
    ],
)
def test_an_interval_on_its_axis(
    change: tuple[float, float, float], scale: float, drawn: str
) -> None:
    assert lines.bar(interval(*change), scale) == drawn
    assert len(drawn) == lines.AXES[0]


@pytest.mark.parametrize(
    ("changes", "scale"),
    [
        ([], 0.0),
        ([(1.0, 1.0, 1.0)], 0.01),
        ([(0.995, 1.0, 1.004), (1.0, 1.021, 1.03)], 0.05),
        ([(0.4, 0.5, 0.6)], 1.0),
        ([(1.0, 5.0, 9.0)], 1.0),
        ([(1.0, 1.0, float("inf"))], 1.0),
    ],
)
def test_the_axis_has_room_for_all_intervals(
    changes: list[tuple[float, float, float]], scale: float
) -> None:
    assert lines.scale_of([interval(*change) for change in changes]) == scale


# --- what the pages are about ---------------------------------------------------------------------


def test_times_agree_with_the_change() -> None:
    text = printed(PAGES["compare-regressions"](), 160)
    rows = re.findall(r"([\d.]+) [mµ]s +([\d.]+) [mµ]s +([+-][\d.]+) %", text)
    assert len(rows) == 5
    for base, head, change in rows:
        assert float(head) / float(base) - 1 == pytest.approx(float(change) / 100, abs=0.01)


def test_many_are_counted_unless_all_are_wanted() -> None:
    result = MADE["odd_names"]()
    some, all_ = (printed(render.text(result, verbose), 160) for verbose in (False, True))
    assert f"and {1002 - render.LINES_MOST} more: --verbose lists all" in some
    assert "test_write[3]" not in some
    assert "test_write[3]" in all_
    assert "more: --verbose" not in all_


@pytest.mark.parametrize("width", [1, 5, 8, 12])
@pytest.mark.parametrize("name", ["compare-regressions", "compare-undecided", "history"])
def test_a_terminal_of_a_few_columns_is_no_reason_to_fail(name: str, width: int) -> None:
    assert printed(PAGES[name](), width).strip()
