import inspect
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from mlpperf.agreement import Agreement, Arrays, Proof
from mlpperf.articles.mlp.network import NetworkCase
from mlpperf.engine import terminal
from mlpperf.engine.calibrate.show import calibration
from mlpperf.engine.calibrate.trials import DetectionRate, Rate
from mlpperf.engine.machine.doctor import Check
from mlpperf.engine.machine.doctor import table as doctor_table
from mlpperf.engine.race.race import Result
from mlpperf.engine.race.show import (
    best,
    proofs,
    proven,
    races,
    summary,
    uncertain,
    wrong,
)
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.show import overview, print_page
from mlpperf.engine.table import Table
from mlpperf.engine.terminal import PLAIN_WIDTH, as_text
from mlpperf.engine.words import memory, percent_range, seconds, times
from mlpperf.hotpath import Args, Case, Cost, HotPath, Variant
from mlpperf.paths import PATHS

FORCING = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CLICOLOR_FORCE")


@pytest.fixture(autouse=True)
def _no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Also where the tests themselves run in one."""
    for name in FORCING:
        monkeypatch.delenv(name, raising=False)
    terminal.console.cache_clear()
    yield
    terminal.console.cache_clear()


def product(x: Args) -> Arrays:
    """Two times x."""
    return (2 * x,)


def total(x: Args) -> Arrays:
    """x and x."""
    return (x + x,)


def hot_path(story: str = "Doubling.\n\nIt takes long.", **changes: object) -> HotPath:
    made = HotPath(
        name="doubling",
        story=story,
        reference=product,
        variants=(Variant(total),),
        inputs=lambda case, rng: (rng.random(case.batch),),
        cases=(Case(10), Case(20)),
        cost=lambda case: Cost(bytes=64),
    )
    return replace(made, **changes)


RIGHT = Result(
    path="doubling",
    version=1,
    case="batch-10",
    variant="total",
    backend="numpy",
    seconds=1.234e-3,
    reference_seconds=2.5e-3,
    speedup=Interval(2.026, 2.011, 2.041),
    rounds=25,
    proof=Proof(1e-8, 1e-6),
    floor=6.17e-4,
)
SLOWER = replace(RIGHT, variant="slower", seconds=5e-3, speedup=Interval(0.5, 0.495, 0.505))
EVEN = replace(RIGHT, variant="even", seconds=2.5e-3, speedup=Interval(1.0, 0.99, 1.02))
DOUBTED = replace(
    RIGHT,
    variant="doubted",
    case="batch-20",
    doubts=("two speeds: 1× and 2×", "drift: from 1× to 2×"),
)
NAN = Interval(math.nan, math.nan, math.nan)
WRONG = replace(
    RIGHT,
    variant="spoilt",
    seconds=math.nan,
    reference_seconds=math.nan,
    speedup=NAN,
    rounds=0,
    proof=Proof(math.nan, math.nan),
    floor=math.nan,
    wrong="doubling/spoilt/batch-10 is wrong: output 0 is off.",
)
UNDECIDED = replace(RIGHT, variant="undecided", rounds=3, speedup=Interval(1.5, 0.0, math.inf))
ALL = (RIGHT, SLOWER, EVEN, DOUBTED, WRONG)


def row(text: str, *words: str) -> str:
    """The line of `text` that holds all `words`."""
    (line,) = (line for line in text.splitlines() if all(word in line for word in words))
    return " ".join(line.split())


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1 s"),
        (1.234, "1.23 s"),
        (59.96, "60 s"),
        (999.4, "999 s"),
        (1e-3, "1 ms"),
        (0.1235, "124 ms"),
        (0.9994, "999 ms"),
        (1e-6, "1 µs"),
        (1.2345e-5, "12.3 µs"),
        (9.994e-4, "999 µs"),
        (1e-9, "1 ns"),
        (9.994e-7, "999 ns"),
        (4.567e-10, "0.457 ns"),
        (0.0, "0 ns"),
        # What rounds up to a thousand of one unit is one of the next.
        (0.9996, "1 s"),
        (9.996e-4, "1 ms"),
        (9.9999e-7, "1 µs"),
        # There is nothing above seconds.
        (1000.0, "1000 s"),
        (3600.0, "3600 s"),
    ],
)
def test_seconds_at_the_boundaries(value: float, text: str) -> None:
    assert seconds(value) == text


@settings(deadline=None)
@given(st.floats(1e-9, 999.4))
@example(9.995e-7)
@example(0.9995)
def test_seconds_have_three_digits_and_a_unit(value: float) -> None:
    text = seconds(value)
    number, unit = re.fullmatch(r"([\d.]+) (s|ms|µs|ns)", text).groups()  # type: ignore[union-attr]
    assert float(number) < 1000
    assert len(number.replace(".", "").lstrip("0")) <= 3
    assert float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit] == pytest.approx(
        value, rel=0.0051
    )


@pytest.mark.parametrize(
    ("value", "uncertainty", "text"),
    [
        (3.14159, 0.01, "3.14×"),
        (3.14159, 0.1, "3.1×"),
        (3.14159, 0.5, "3×"),
        (3.14159, 1e-9, "3.14×"),  # more would not be read
        (3.14159, 0.0, "3.14×"),
        (31.4159, 0.01, "31.4×"),
        (314.159, 0.01, "314×"),
        (1.0, 0.01, "1.00×"),
        (1.0, 0.0999, "1.00×"),
        (1.0, 0.1, "1.0×"),
        (0.5, 0.01, "0.50×"),
        (12345.6, 0.01, "12346×"),
        (math.nan, 0.01, "–"),
        (math.inf, 0.01, "–"),
        (math.nan, math.nan, "–"),
    ],
)
def test_times_at_the_boundaries(value: float, uncertainty: float, text: str) -> None:
    assert times(value, uncertainty) == text


@settings(deadline=None)
@given(st.floats(0.01, 1e6), st.floats(1e-6, 1))
def test_times_have_no_more_digits_than_the_interval_supports(
    value: float, uncertainty: float
) -> None:
    text = times(value, uncertainty)
    _, decimals = re.fullmatch(r"(\d+)\.?(\d*)×", text).groups()  # type: ignore[union-attr]
    last_digit = 10.0 ** -len(decimals)
    assert abs(float(text[:-1]) - value) <= 0.5001 * last_digit
    assert not decimals or last_digit > 0.0999 * value * uncertainty


@pytest.mark.parametrize("value", [0.09, 0.0042, 0.00123])
def test_a_variant_many_times_slower_does_not_vanish(value: float) -> None:
    """A call of microseconds that is sent to TensorFlow becomes hundreds of times slower."""
    shown = times(value, 0.01)
    assert float(shown.removesuffix("×")) == pytest.approx(value, rel=0.2)
    assert "e" not in shown


@pytest.mark.parametrize("value", [0.0, 0.5, 2.0, math.inf])
def test_times_without_bounds_can_be_shown(value: float) -> None:
    assert times(value, math.inf)


# --- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (488, "488 B"), (999.6, "1 kB"), (12_345_678, "12.3 MB")]
)
def test_memory_has_three_digits_and_a_unit(value: float, text: str) -> None:
    assert memory(value) == text


@pytest.mark.parametrize(
    ("ratios", "text"), [([1.11], "+11.0 %"), ([1.628, 0.9, 1.531], "-10.0 to +62.8 %")]
)
def test_several_changes_are_given_by_their_ends(ratios: list[float], text: str) -> None:
    assert percent_range(ratios) == text


def test_a_column_without_anything_is_not_shown() -> None:
    table = Table(
        "Title", ("name", "empty", "value", "none"), [["a", "", "1", "–"], ["b", "", "", "–"]]
    )
    assert table.filled == [0, 2]
    assert as_text(table).split() == ["Title", "name", "value", "a", "1", "b"]
    assert Table("Title", ("name", "value"), []).filled == [0, 1]


def test_numbers_beside_a_long_name_in_several_lines_are_never_cut() -> None:
    name = "Long.name (src/of_a/function_in_a_file.py:1234)"
    cells = ["44.5 → 101.9", "within chance", "144.5 → 101.9"]
    table = Table("Title", ("function", "own", "difference", "whole"), [[name, *cells]], wrap=(0,))
    out = Console(width=80, file=io.StringIO())
    out.print(table)
    shown = out.file.getvalue()  # type: ignore[attr-defined]
    assert all(cell in shown for cell in cells)
    assert max(map(len, shown.splitlines())) <= 80


def test_overview_shows_every_path_with_all_its_names() -> None:
    text = as_text(overview(PATHS))
    for path in PATHS:
        assert row(text, path.name, path.title)
        assert row(text, "reference", path.reference.__name__)
        assert all(variant.name in text for variant in path.variants)
        for case in path.cases:  # a case's name may be wrapped, never shortened
            assert case.name.removeprefix("batch-") in re.sub(r"\s+", "", text)
    assert "…" not in text


MARKDOWN = """\
| case | variant | verdict | speedup | 95 % interval | time | reference | of ceiling |
|---|---|---|---:|---:|---:|---:|---:|
| batch-10 | total | faster (?a) | 2.03× | 2.01× … 2.04× | 1.23 ms | 2.5 ms | 50 % |

- (a) busy"""


def printed(shown: RenderableType) -> str:
    """What a command prints, without the spaces at the ends of lines."""
    return "".join(f"{line.rstrip()}\n" for line in as_text(shown).splitlines())


OUTCOMES: list[tuple[str, str, str, Proof | str]] = [
    ("doubling", "total", "batch-10", Proof(1e-8, 1e-6)),
    ("doubling", "total", "batch-20", Proof(3e-8, 2e-6, 1e-3)),
    ("doubling", "total", "batch-30", Proof(1e-8, 9e-6, 2.5)),
    ("doubling", "spoilt", "batch-10", Proof(1e-8, 1e-6)),
    ("doubling", "spoilt", "batch-20", "is wrong"),
    ("doubling", "hopeless", "batch-10", "is wrong"),
    ("other", "total", "batch-10", Proof()),
]
RATES = [
    DetectionRate(0.0, Rate(0, 0), Rate(1, 20), math.nan, 12.0),
    DetectionRate(0.01, Rate(9, 10), Rate(0, 20), 0.0101, 14.0),
    DetectionRate(0.02, Rate(10, 10), Rate(0, 20), 0.0199, 15.0),
]
PAGES: dict[str, Callable[[], RenderableType]] = {
    "race": lambda: races("doubling: Doubling", ALL),
    "race-best": lambda: best([replace(WRONG, seconds=1e-9), SLOWER, RIGHT, EVEN, DOUBTED]),
    "race-paths": lambda: best([SLOWER, RIGHT, EVEN, DOUBTED], by_case=False),
    "race-wrong": lambda: wrong(ALL),
    "race-uncertain": lambda: uncertain([*ALL, replace(EVEN, speedup=Interval(1.0, 0.5, 2.0))]),
    "verify": lambda: proofs(OUTCOMES),
    "doctor": lambda: doctor_table(
        [Check("fine", "clock", "ticks"), Check("problem", "disk", "full", "Buy one.")]
    ),
    "calibrate": lambda: calibration(RATES),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_command_prints_its_page(name: str) -> None:
    page = (Path(__file__).parent / "pages" / f"{name}.txt").read_text("utf-8")
    assert printed(PAGES[name]()) == page


def test_the_table_of_a_race_in_markdown() -> None:
    assert races("", [replace(RIGHT, doubts=("busy",))]).to_markdown() == MARKDOWN


def test_each_kind_of_warning_has_one_letter_and_one_footnote() -> None:
    first = replace(RIGHT, doubts=("two speeds: 1× and 2×", "drift: from 1× to 2×"))
    second = replace(SLOWER, doubts=("drift: from 3× to 1×",))
    table = races("", [first, second, EVEN])
    assert [str(cells[2]) for cells in table.rows] == [
        *("faster (?a,b)", "slower (?b)", "no difference beyond ±2 %")
    ]
    assert table.notes == ["(a) two speeds: 1× and 2×", "(b) drift: from 1× to 2×; from 3× to 1×"]
    assert races("", [RIGHT, SLOWER]).notes == []


def test_a_variant_faster_than_its_ceiling_is_marked_there() -> None:
    beyond = replace(RIGHT, floor=1.1 * RIGHT.seconds, share_error=0.01)
    table = races("", [beyond])
    assert (str(table.rows[0][2]), table.rows[0][7]) == ("faster", "110 ± 1 % (!)")
    assert table.notes == ["(!) faster than the ceiling: the cost of the path is wrong"]


def test_best_of_nothing_right_is_empty() -> None:
    assert best([WRONG]).rows == []


def test_summary_counts() -> None:
    assert summary(ALL) == (
        "5 results beside their references: 1 wrong, 1 slower, 2 faster, 1 no difference; "
        "1 verdict may be wrong (?)."
    )
    assert summary([RIGHT]) == "1 result beside their references: 1 faster."


def test_proofs_in_one_sentence() -> None:
    assert proven(OUTCOMES) == (
        "2 of 4 variants equal their references at all cases; "
        "the largest error is 2 % of its tolerance (7 proofs)."
    )
    assert proven([("a", "b", "c", "is wrong")]) == (
        "0 of 1 variants equal their references at all cases (1 proof)."
    )


def test_results_without_bounds_can_be_shown() -> None:
    for table in (races("doubling", [UNDECIDED]), best([UNDECIDED])):
        assert "undecided" in as_text(table)


def test_a_page_shows_story_reference_and_variants(capsys: pytest.CaptureFixture[str]) -> None:
    def buffered(x: Args) -> Args:
        """Once per training."""
        return x

    variants = (Variant(total), Variant(same_total, Agreement.IDENTICAL, prepare=buffered))
    print_page(hot_path(variants=variants))
    text = capsys.readouterr().out
    assert text.startswith("Doubling.\n")
    assert "It takes long." in text
    assert text.count("--- product (reference)") == 1
    assert "def product(x: Args) -> Arrays:" in text
    assert f"--- total ({Agreement.REASSOCIATED.value})" in text
    assert f"--- same_total ({Agreement.IDENTICAL.value})" in text
    assert "# not timed:\ndef buffered(x: Args) -> Args:" in text  # with its own indentation
    assert "    return (x + x,)" in text


def same_total(x: Args) -> Arrays:
    """x and x again."""
    return (x + x,)


# --- what a table may not do ---------------------------------------------------------------------

MARKED = "[red] tape[/] [bold]x[/bold] [/] [0] :warning: :x: \\[y]"


@pytest.mark.parametrize(
    "table",
    [
        lambda: overview([hot_path(MARKED)]),
        lambda: races(MARKED, [RIGHT]),
        lambda: races("doubling", [replace(RIGHT, case=MARKED)]),
        lambda: races("doubling", [replace(RIGHT, variant=MARKED)]),
        lambda: races("doubling", [replace(RIGHT, doubts=(MARKED,))]),
        lambda: races("doubling", [replace(WRONG, wrong=MARKED)]),
        lambda: races("doubling", [replace(WRONG, case=MARKED)]),
        lambda: best([replace(RIGHT, path=MARKED)]),
        lambda: best([replace(RIGHT, case=MARKED)]),
        lambda: best([replace(RIGHT, variant=MARKED)]),
        lambda: proofs([(MARKED, "total", "batch-10", Proof())]),
        lambda: proofs([("doubling", MARKED, "batch-10", Proof())]),
        lambda: doctor_table([Check("fine", MARKED, "found")]),
        lambda: doctor_table([Check("note", "what", MARKED, "advice")]),
        lambda: doctor_table([Check("problem", "what", "found", MARKED)]),
    ],
)
def test_markup_in_names_is_not_interpreted(table: Callable[[], RenderableType]) -> None:
    assert MARKED in as_text(table())


def test_markup_in_the_names_of_functions_and_data_is_not_interpreted() -> None:
    marked = "[red]"

    def run(x: Args) -> Arrays:
        """Two times x."""
        return (2 * x,)

    run.__name__ = marked
    path = hot_path(variants=(Variant(run),), cases=(NetworkCase(10, data=f"{marked}data"),))
    text = as_text(overview([path]))
    assert row(text, "variants", marked)
    assert row(text, "cases", f"10-{marked}data")
    path = hot_path(reference=run)
    assert row(as_text(overview([path])), "reference", marked)


def indexed(x: Args) -> Arrays:
    """x[index] of :x: and of weights[n][/]."""
    index, step = slice(None), 1
    return (2 * x[index][::step],)


def test_source_code_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A subscript looks like markup, a slice with a step like an emoji."""
    print_page(
        hot_path("Doubling.\n\nThe [red] tape of x[index] :x:", variants=(Variant(indexed),))
    )
    text = capsys.readouterr().out
    assert "The [red] tape of x[index] :x:" in text
    assert '"""x[index] of :x: and of weights[n][/]."""' in text
    assert "return (2 * x[index][::step],)" in text


def test_the_pages_of_our_own_paths_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:

    for path in PATHS:
        print_page(path)
        text = capsys.readouterr().out
        for variant in path.contestants:
            for line in inspect.getsource(variant.fn).splitlines():
                # What is longer than the page is wide may be wrapped.
                assert len(line) >= PLAIN_WIDTH or line.rstrip() in text


def test_a_result_of_ordinary_size_is_never_cut() -> None:
    long = replace(
        RIGHT,
        case="batch-500-784x1000x1000x10",
        variant="samples_major_bias_in_product",
        speedup=Interval(1.0, 0.9, 1.1234),
        doubts=("machine busy",),
    )
    text = as_text(races("doubling", [long, WRONG]))
    assert row(text, long.case, long.variant, "undecided (?a)", "1.0× ")
    assert "0.90× … 1.1×" in text


EVERYTHING: list[Callable[[], RenderableType]] = [
    lambda: overview(PATHS),
    lambda: races("doubling", ALL),
    lambda: best(ALL),
    lambda: summary(ALL),
    lambda: proofs([("doubling", "total", "batch-10", Proof()), ("a", "b", "c", "is wrong")]),
    lambda: doctor_table([Check("problem", "disk", "full", "Buy one.")]),
]


@pytest.mark.parametrize("table", EVERYTHING)
def test_output_without_a_terminal_has_no_escape_codes(
    table: Callable[[], RenderableType], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.console().print(table())
    printed = capsys.readouterr().out
    assert printed.strip()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", printed)
    assert max(map(len, printed.splitlines())) <= PLAIN_WIDTH


@pytest.mark.parametrize("table", EVERYTHING)
def test_text_has_no_escape_codes_even_where_colours_are_wished_for(
    table: Callable[[], RenderableType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Continuous integration sets FORCE_COLOR for the log, not for a file that is written."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in as_text(table())


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress() as bar:
        task = bar.add_task("examining", total=2)
        bar.advance(task)
    assert capsys.readouterr() == ("", "")
