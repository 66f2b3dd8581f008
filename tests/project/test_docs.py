"""README and docs/: generated figures and commands, links, examples, and what pages load."""

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from command_reference import reference
from mlpperf.agreement import Proof
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.render import record
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.history.races import race_content
from mlpperf.engine.history.records import CodeVersion, as_records, context
from mlpperf.engine.race.result import Result
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.series import Series
from mlpperf.errors import MlpperfError
from mlpperf.hotpath import verify
from readme import EVERY, marked, rewrite, update

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "records"
loaded_from_elsewhere = runpy.run_path(str(Path(__file__).with_name("docs_alone.py")))[
    "loaded_from_elsewhere"
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def short(text: str) -> dict[Path, str]:
    return {Path("page.md"): text}


def test_the_generated_blocks_are_up_to_date() -> None:
    texts = marked(ROOT)
    assert update(texts, RECORDS) == texts


def test_a_changed_figure_is_noticed() -> None:
    texts = marked(ROOT)
    page = ROOT / "docs" / "ladder.md"
    start = texts[page].index("| step_0 |")
    changed = texts | {page: texts[page][:start] + texts[page][start:].replace("1", "2", 1)}
    assert update(changed, RECORDS) == texts != changed


START, END = "<!-- sum, generated -->", "<!-- end of sum -->"
SUM = {"sum": lambda _: "2"}


def test_text_between_markers_is_replaced() -> None:
    old = short(f"before\n{START}\n\n1\n\n{END}\nafter")
    assert update(old, RECORDS, SUM) == short(f"before\n{START}\n\n2\n\n{END}\nafter")


def test_a_block_may_be_on_several_pages() -> None:
    both = {Path("one.md"): START + END, Path("two.md"): 2 * (START + END)}
    written = f"{START}\n\n2\n\n{END}"
    assert update(both, RECORDS, SUM) == {
        Path("one.md"): written,
        Path("two.md"): 2 * written,
    }


def test_a_block_without_markers_is_refused() -> None:
    with pytest.raises(MlpperfError, match="No text has the markers <!-- sum, generated --> and"):
        update(short(""), RECORDS, SUM)


@pytest.mark.parametrize(
    "text", [START, END, START + END + END, START + START + END, END + START, END + START + END]
)
def test_a_marker_without_its_counterpart_is_refused(text: str) -> None:
    with pytest.raises(MlpperfError, match=r"page\.md needs <!-- sum, generated --> before each"):
        update(short(text), RECORDS, SUM)


def test_markers_in_two_pages_are_no_pair() -> None:
    apart = {Path("one.md"): START, Path("two.md"): END}
    with pytest.raises(MlpperfError, match=r"one\.md needs"):
        update(apart, RECORDS, SUM)


@pytest.mark.parametrize("marker", ["<!-- product, generated -->", "<!-- end of product -->"])
def test_a_marker_of_no_block_is_refused(marker: str) -> None:
    with pytest.raises(MlpperfError, match="'product', which no program writes; there are: sum"):
        update(short(START + END + marker), RECORDS, SUM)


def test_a_comment_is_no_marker() -> None:
    text = f"<!-- for authors -->{START}\n\n2\n\n{END}"
    assert update(short(text), RECORDS, SUM) == short(text)


def test_pages_in_folders_are_written_too(tmp_path: Path) -> None:
    names = list(EVERY)
    both = [f"<!-- {name}, generated -->\n<!-- end of {name} -->\n" for name in names]
    below = tmp_path / "docs" / "reference" / "commands.md"
    below.parent.mkdir(parents=True)
    (tmp_path / "README.md").write_text("".join(both[:-1]), encoding="utf-8")
    below.write_text(both[-1], encoding="utf-8")
    message = rewrite(tmp_path, RECORDS)
    assert "README.md, docs/reference/commands.md" in message
    assert "mlpperf compare [OPTIONS] [BASE] [HEAD]" in below.read_text("utf-8")
    assert rewrite(tmp_path, RECORDS).endswith("all as before.")


def test_the_reference_shows_what_a_command_declares() -> None:
    tiny = typer.Typer()

    @tiny.callback()
    def _tiny() -> None: ...

    @tiny.command(rich_help_panel="Sums")
    def add(
        numbers: Annotated[list[int], typer.Argument(metavar="NUMBERS", help="What | is added.")],
        times: Annotated[int, typer.Option(help="How often.")] = 3,
        folder: Annotated[Path | None, typer.Option("--folder", "-f", help="Where.")] = None,
        loud: Annotated[bool, typer.Option("--loud")] = False,
        hidden: Annotated[bool, typer.Option("--hidden", hidden=True)] = False,
    ) -> None:
        """Add numbers.

        Then more.
        """

    group = get_command(tiny)
    assert isinstance(group, TyperGroup)
    assert reference(group).splitlines() == [
        "## Sums",
        "",
        "### add",
        "",
        "    mlpperf add [OPTIONS] {NUMBERS}...",
        "",
        "Add numbers. Then more.",
        "",
        "| | meaning | default |",
        "|---|---|---|",
        "| `{NUMBERS}...` | What \\| is added. |  |",
        "| `--times TIMES` | How often. | `3` |",
        "| `--folder FOLDER`, `-f FOLDER` | Where. |  |",
        "| `--loud` |  |  |",
    ]


@pytest.mark.usefixtures("articles")
def test_the_reference_agrees_with_the_help(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its usage line, its sentences and its defaults."""
    monkeypatch.setenv("COLUMNS", "300")
    text = EVERY["commands"](RECORDS)
    parts = text.split("### ")[1:]
    assert len(parts) > 20
    for part in parts:
        name, _, usage, *_ = part.splitlines()
        shown = " ".join(command(name, "--help").stdout.split())
        assert f"Usage: {usage.strip().replace('mlpperf', 'root', 1)} " in shown
        for line in part.splitlines():
            if line.startswith("| `"):
                _, names, meaning, default, _ = re.split(r" ?(?<!\\)\| ?", line)
                assert names.strip("`{}[]").split()[0].rstrip("]}.`,") in shown
                assert meaning.replace("\\|", "|") in shown
                if default.startswith("`"):
                    assert f"[default: {default[1:-1]}]" in shown


def test_the_readme_fits_on_a_page() -> None:
    assert (ROOT / "README.md").read_text("utf-8").count("\n") <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    for address in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in address:
            assert (page.parent / address).exists(), address


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_is_in_the_navigation(page: Path) -> None:
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    docs = ROOT / "docs"
    if docs in page.parents:
        assert navigation.count(f" {page.relative_to(docs).as_posix()}\n") == 1


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/a.js"></script>',
        "<script src='//cdn.example/a.js'></script>",
        "<script src=HTTP://cdn.example/a.js></script>",
        '<link rel="stylesheet" href="https://cdn.example/a.css">',
        '<link href="https://fonts.example" rel="preconnect">',
        '<img src="http://pictures.example/a.png">',
        '<img srcset="a.png 1x, https://pictures.example/b.png 2x">',
        '<iframe src="https://pages.example/"></iframe>',
        "<style>@import url(https://cdn.example/a.css);</style>",
        '<p style="background: url(//cdn.example/a.png)">',
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(html: str, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "page.html").write_text(html, encoding="utf-8")
    (address,) = loaded_from_elsewhere(tmp_path)
    assert "page.html" in address
    assert ".example" in address


def test_a_stylesheet_that_loads_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face{src:url('https://fonts.example/a.woff2')}")
    (address,) = loaded_from_elsewhere(tmp_path)
    assert "fonts.example" in address


def test_a_page_that_loads_nothing_from_elsewhere_is_fine(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        '<a href="https://elsewhere.example/">a link</a><script src="a.js"></script>'
        '<link rel="canonical" href="https://here.example/page.html">'
        '<link rel="stylesheet" href="a.css"><img src="data:image/png;base64,AAAA">',
        encoding="utf-8",
    )
    (tmp_path / "a.css").write_text(
        "p{mask:url(\"data:image/svg+xml;utf8,<svg xmlns='http://www.w3.org/2000/svg'/>\")}"
    )
    assert loaded_from_elsewhere(tmp_path) == []


def documented() -> dict[str, set[str]]:
    """The fields that docs/records.md names in its tables, by what they are a part of."""
    text = (ROOT / "docs" / "records.md").read_text("utf-8")
    fields: dict[str, set[str]] = {}
    part = ""
    for line in text.splitlines():
        if line.startswith("## "):
            part = line.removeprefix("## ").strip("`").removesuffix(".jsonl")
        elif line.startswith("| field of a series"):
            part = "series"
        elif line.startswith("| `"):
            first = line.split("|")[1]
            fields.setdefault(part, set()).update(re.findall(r"`(\w+)`", first))
    return fields


# Older records lack these, or newer ones.
LATER = {
    "comparisons": {
        "merge_base",
        "unloaded",
        "accepted",
        "unjudged_most",
        "releases",
        "environments",
        "policy",
        "rules",
        "asked",
    },
    "races": {"processes", "share_error", "limit", "preparation"},
    "ladders": {"ceiling", "over_ceiling", "parts", "over_floor"},
    "growth": {"ceiling_per_sample", "floor_per_sample"},
    "trainings": {"setting", "in_force"},
    "gauntlet": {"extra", "unchanged", "untouched"},
}


@pytest.mark.parametrize("file", sorted(RECORDS.glob("*.jsonl")), ids=lambda file: file.stem)
def test_every_field_of_a_record_is_documented(file: Path) -> None:
    fields = documented()
    known = fields["In every record"] | fields[file.stem]
    for line in file.read_text("utf-8").splitlines():
        record = json.loads(line)
        assert set(record) <= known
        if file.stem != "gauntlet" or record["kind"] in ("pair", "same"):  # others have fewer
            assert known - set(record) <= LATER.get(file.stem, set())


def test_every_field_of_a_race_and_of_a_comparison_is_documented() -> None:
    fields = documented()
    here = CodeVersion(None, False)
    assert set(context("race", here)) == fields["In every record"]
    proof = Proof(0.0, 1.0)
    result = Result("p", 1, "c", "v", "numpy", 1.0, 1.0, Interval(1.0, 1.0, 1.0), 1, proof, 1.0)
    (race,) = as_records("race", here, [race_content(result)])
    assert set(race) == fields["races"] | fields["In every record"]
    series = Series("p", "c", "v")
    compared = Comparison("base", "head", {}, 0.01, 1.0, findings={series: Finding(series)})
    written = record(compared)
    assert set(written) == fields["comparisons"]
    assert set(written["series"][0]) == fields["series"]


def test_the_example_that_reads_records_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "records.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    monkeypatch.chdir(ROOT)
    exec(example, {})
    last = json.loads((RECORDS / "races.jsonl").read_text("utf-8").splitlines()[-1])
    output = capsys.readouterr().out.splitlines()[-1]
    assert output.startswith(f"{last['path']} {last['variant']} {last['speedup']['median']} ")


def test_the_example_of_a_hot_path_is_right() -> None:
    text = (ROOT / "docs" / "hot-paths.md").read_text("utf-8")
    page: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", text, flags=re.S)[0], page)
    (path,) = page["PATHS"]
    for variant in path.variants:
        for case in path.cases:
            proof = verify(path, variant, case)
            assert proof.error <= proof.tolerance


def test_every_name_of_the_python_interface_exists() -> None:
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    for part in text.split("\n::: ")[1:]:
        module = resolve_name(part.split()[0])
        for names in re.findall(r"members: \[(.*)\]", part):
            assert [name for name in names.split(", ") if not hasattr(module, name)] == []


def test_the_picture_of_the_architecture_shows_what_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    engine = text.partition("\nengine/\n")[2].partition("```")[0]
    folders = {path.parent.name for path in (ROOT / "src/mlpperf/engine").glob("*/__init__.py")}
    assert set(re.findall(r"(\w+)/", engine)) == folders
    for folder, files in re.findall(r"^    (\w+)/ +(\w+(?:, \w+)+)  ", engine, flags=re.M):
        for file in files.split(", "):
            assert (ROOT / "src/mlpperf/engine" / folder / f"{file}.py").exists(), file
