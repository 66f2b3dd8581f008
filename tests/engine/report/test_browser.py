"""The report in a real browser, from the file system and without a network."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from mlpperf.articles.report.content import CONTENT
from mlpperf.engine.report.addresses import file_name
from mlpperf.engine.report.blocks import Code, Page, Prose, Section
from mlpperf.engine.report.draft import Content, Draft
from mlpperf.engine.report.forest import Forest, Row
from mlpperf.engine.report.gather import gather
from mlpperf.engine.report.site import write
from mlpperf.engine.table import Anchor, Table

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).parents[3]
COMMITS, STEP = 30, 20  # of the history in conftest.py, and the first slower one
MACHINES = ("vm", "other")
PATIENCE = 300_000  # milliseconds until something that should be there counts as missing

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}"),
    # Playwright leaves its own loop's sockets to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def only_tab(browser: Any) -> Any:
    """A page in a browser without a network, whose process compiles Plotly's code once for all."""
    page = browser.new_context(offline=True).new_page()
    page.set_default_timeout(PATIENCE)
    return page


@pytest.fixture
def tab(only_tab: Any) -> Iterator[Any]:
    """The same as if it were new, once a test opens a file: the report stores nothing in it.

    Whatever it complains about fails the test.
    """
    only_tab.set_viewport_size({"width": 1280, "height": 900})
    only_tab.emulate_media(color_scheme="light")
    said: list[str] = []
    listeners = {
        "console": lambda message: said.append(message.text) if message.type == "error" else 0,
        "pageerror": lambda error: said.append(str(error)),
        "requestfailed": lambda request: said.append(f"{request.url} failed"),
    }
    for event, listener in listeners.items():
        only_tab.on(event, listener)
    yield only_tab
    only_tab.wait_for_load_state()  # what is still to be complained about is this test's
    for event, listener in listeners.items():
        only_tab.remove_listener(event, listener)
    assert said == []


def opened(tab: Any, file: Path) -> Any:
    tab.goto(file.as_uri())
    tab.wait_for_selector("html[data-ready]")
    return tab


def until(tab: Any, condition: str) -> None:
    """Wait until that is so.

    Asked from here again and again: a page whose policy forbids `eval` cannot wait by itself.
    """
    end = time.monotonic() + PATIENCE / 1000
    while not tab.evaluate(condition):
        assert time.monotonic() < end, f"it did not come about that {condition}"
        tab.wait_for_timeout(50)


def traces(tab: Any) -> list[int]:
    """How many traces every plot of the page has drawn, once all have come into sight."""
    until(
        tab,
        "document.querySelectorAll('.curves').length === 0 || "
        "document.querySelectorAll('.panels .plot').length > 0",
    )
    count = tab.locator(".plot").count()
    for i in range(count):
        tab.locator(".plot").nth(i).scroll_into_view_if_needed()
    until(
        tab,
        "[...document.querySelectorAll('.plot')].every("
        "plot => plot.querySelector('.main-svg') && plot._fullData.length > 0)",
    )
    drawn: list[int] = tab.evaluate(
        "[...document.querySelectorAll('.plot')].map("
        "plot => plot.querySelectorAll('.trace').length)"
    )
    return drawn


MENU = {
    "index.html": "Overview",
    "history.html": "History",
    "compare.html": "Compare",
    **{file: name for file, name, _ in CONTENT.pages},
    "calibration.html": "Calibration",
}
PAGES = [*MENU, "path-sigmoid.html", "path-precision.html"]


SINGLE = ["commit-*.html", "comparison-*.html", "benchmark-pytest-*parse*.html"]


def largest(site: Path, pattern: str) -> Path:
    """Of the pages that fit a pattern, the largest one."""
    return max(site.glob(pattern), key=lambda page: page.stat().st_size)


OF_COLOURS = ["color-contrast", "link-in-text-block"]  # of axe's rules
# The parts of a page that repeat the colours and letters of an earlier part, as most rows do, with
# those of all they stand in: what axe says of colours, it says of the first one, too.
REPEATED = """
const seen = new Map();
const look = element => {
  const style = getComputedStyle(element);
  return [element.localName, style.color, style.backgroundColor, style.backgroundImage,
    style.opacity, style.fontSize, style.fontWeight, style.textDecorationLine, style.display,
    style.position, style.zIndex, style.textShadow, style.borderBottom, style.visibility,
    element.checkVisibility()];
};
const repeated = (element, above) => {
  const key = `${above} ${look(element)}`, number = seen.get(key);
  if (number === undefined) seen.set(key, seen.size);
  const inside = [...element.children].map(child => [child, repeated(child, seen.get(key))]);
  if (number !== undefined && inside.every(([, again]) => again === true)) return true;
  return inside.flatMap(([child, again]) => again === true ? [child] : again);
};
"""


def grave(tab: Any, *, colours_only: bool = False) -> list[Any]:
    """What shuts somebody out of the page as it is shown, by all of axe's rules or by some."""
    from axe_playwright_python.base import AXE_SCRIPT

    tab.evaluate(AXE_SCRIPT)
    # What it would fetch itself, the page forbids. Of rules that hold it need not list where.
    options: dict[str, Any] = {"preload": False, "resultTypes": ["violations"]}
    colours = options | {"runOnly": {"type": "rule", "values": OF_COLOURS}}
    others = options | {"rules": {rule: {"enabled": False} for rule in OF_COLOURS}}
    run = f"{REPEATED} return axe.run({{exclude: repeated(document.documentElement, 0)}}, options)"
    results = [tab.evaluate(f"options => {{ {run} }}", colours)]
    if not colours_only:
        results.append(tab.evaluate("options => axe.run(document, options)", others))
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
        for result in results
        for one in result["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def test_a_colour_that_only_one_of_many_rows_has_is_judged(tmp_path: Path, tab: Any) -> None:
    rows = 5 * "<p><a href='#'>a name</a> and <b>a number</b></p>"
    page = (
        "<!doctype html><html lang=en data-ready><title>t</title><main><h1>t</h1>{}</main></html>"
    )
    pale = "<div style='background: #eee'><p><b style='color: #ddd'>a number</b></p></div>"
    for text, rules in ((rows, []), (rows + pale, ["color-contrast"])):
        (tmp_path / "page.html").write_text(page.format(text), "utf-8")
        opened(tab, tmp_path / "page.html")
        assert [rule for rule, _ in grave(tab, colours_only=True)] == rules
        assert [rule for rule, _ in grave(tab)] == rules


def test_a_long_name_fits_on_a_phone_wherever_it_stands(tmp_path: Path, tab: Any) -> None:
    name = "tests/" + 12 * "long_" + "name.py::" + 12 * "long_" + "name[" + 40 * "x" + "]"

    def draft(site: Draft) -> None:
        blocks = [
            Table(name, ("benchmark", "value"), [[name, name], [Anchor(name, "long.html"), "1"]]),
            Forest([Row(name, "long.html", "slower", name, (1.1, 1.0, 1.2))], name, "names"),
            Code([(name, name, Markup("code"))]),
            Prose(name),
        ]
        site.pages.append(Page("long.html", name, name, [Section(name, blocks)], "Long"))

    content = Content(pages=(("long.html", "Long", draft),))
    site = write(tmp_path / "site", gather(tmp_path, None, None), [], "demo", content).parent
    tab.set_viewport_size({"width": 390, "height": 844})
    opened(tab, site / "long.html")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", [*PAGES, *SINGLE])
def test_a_page_fits_on_a_phone_draws_its_plots_and_shuts_nobody_out(
    name: str, site: Path, tab: Any
) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    opened(tab, largest(site, name))
    if name in MENU:
        assert tab.locator("nav [aria-current=page]").inner_text() == MENU[name]
    plots = tab.locator("figure > .plot").count()
    drawn = traces(tab)
    assert all(drawn)
    assert len(drawn) >= plots
    if name in ("index.html", "batches.html", "peers.html", "training.html", "calibration.html"):
        assert plots
    if tab.locator(".map").count():
        tab.wait_for_selector(".map tbody tr")
    if tab.locator(".commits").count():
        tab.wait_for_selector(".result table")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.set_viewport_size({"width": 1280, "height": 900})
    assert not grave(tab)
    if name in ("index.html", "history.html", "path-sigmoid.html", *SINGLE):
        tab.emulate_media(color_scheme="dark")  # which changes nothing but colours
        assert not grave(tab, colours_only=True)


def test_the_navigation_leads_to_every_page(site: Path, tab: Any) -> None:
    """To those that another test opens, and that name themselves there."""
    opened(tab, site / "history.html")
    links = tab.locator("nav a").all()
    assert {link.get_attribute("href"): link.inner_text() for link in links} == MENU
    assert len(links) == len(MENU)
    links[0].click()
    tab.wait_for_selector("html[data-ready]")
    assert tab.url.endswith("index.html")
    tab.go_back()
    assert tab.url.endswith("history.html")
    opened(tab, site / "index.html")
    tab.get_by_role("link", name="sigmoid", exact=True).first.click()
    assert tab.locator("h1").inner_text() == "The sigmoid"


def test_choices_change_the_curves(site: Path, tab: Any) -> None:
    opened(tab, site / "path-sigmoid.html")
    traces(tab)
    assert tab.locator(".panels .plot").count() == len(MACHINES)
    assert tab.locator(".panels h3").all_inner_texts()[0].startswith("race on vm:")

    def titles() -> list[str]:
        found: list[str] = tab.evaluate(
            "[...document.querySelectorAll('.panels .plot')].map("
            "plot => plot._fullLayout.yaxis.title.text)"
        )
        return found

    assert set(titles()) == {"time ÷ time of the reference"}
    steps = "document.querySelector('.panels .plot')._fullLayout.shapes.length"
    assert tab.evaluate(steps) > 0
    tab.locator("[data-choice=quantity]").select_option("seconds")
    traces(tab)
    assert set(titles()) == {"time of a call"}
    tab.locator("[data-choice=variant]").select_option("tanh_in_place")
    traces(tab)
    names = "[...document.querySelector('.panels .plot')._fullData].map(trace => trace.name)"
    assert set(tab.evaluate(names)) == {"tanh_in_place"}


def shown(tab: Any, rows: str) -> list[str]:
    return [" ".join(text.split()) for text in tab.locator(f"{rows}:visible").all_inner_texts()]


def test_filters_hide_what_is_not_asked_for_and_stay_in_the_address(site: Path, tab: Any) -> None:
    opened(tab, site / "history.html")
    everything = len(shown(tab, "#log > li"))
    assert everything > 2
    count = tab.locator("[data-table=log] output")
    assert count.inner_text() == f"{everything} of {everything} shown"
    tab.locator("[data-table=log] [data-choice=change]").select_option("faster")
    faster = len(shown(tab, "#log > li"))
    assert 0 < faster < everything
    assert count.inner_text() == f"{faster} of {everything} shown"
    tab.locator("[data-table=log] [data-choice=text]").fill("commit 12")
    assert shown(tab, "#log > li") == []
    tab.locator("[data-table=log] [data-choice=change]").select_option("")
    (row,) = shown(tab, "#log > li")
    assert "commit 12" in row
    again = tab.url
    opened(tab, site / "index.html")
    tab.goto(again)
    tab.wait_for_selector("html[data-ready]")
    assert count.inner_text() == f"1 of {everything} shown"


def test_the_map_shows_filters_and_sorts_benchmarks(site: Path, tab: Any) -> None:
    opened(tab, site / "history.html")
    rows = ".map tbody tr"
    tab.wait_for_selector(rows)
    assert "test_parse" in shown(tab, rows)[0], "the largest change is first"
    assert tab.locator(".map .mark").count() == 3
    mark = tab.locator(".map a.mark").first
    assert re.match(r"slower by 1\.\d % at \w+, 2025", mark.get_attribute("aria-label"))
    tab.locator(".map [data-choice=sort]").select_option("name")
    assert shown(tab, rows) == sorted(shown(tab, rows))
    tab.locator(".map [data-choice=change]").select_option("unchanged")
    assert not any("test_parse" in row for row in shown(tab, rows))
    tab.locator(".map [data-choice=change]").select_option("")
    tab.locator(".map [data-choice=text]").fill("PARSE it")
    assert len(shown(tab, rows)) == 1
    tab.locator(".map .strip > div").first.hover(position={"x": 2, "y": 5})
    assert "relative to" in tab.locator(".readout").inner_text()
    mark.click()
    tab.wait_for_selector("html[data-ready]")
    assert tab.locator("h1").inner_text() == "commit 12"


def test_the_search_finds_commits_and_pages_by_keyboard(site: Path, tab: Any) -> None:
    opened(tab, site / "path-sigmoid.html")
    tab.keyboard.press("/")
    tab.keyboard.type("COMMIT 33")
    results = tab.locator("#results [role=option]")
    results.first.wait_for()
    assert "commit 33" in results.first.inner_text()
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/commit-*.html")
    tab.wait_for_selector("html[data-ready]")
    assert tab.locator("h1").inner_text() == "commit 33"
    tab.keyboard.press("/")
    tab.keyboard.type("no such words")
    tab.get_by_text("Nothing has these words.").wait_for()
    assert results.count() == 1
    tab.keyboard.press("Escape")
    assert results.count() == 0


def test_a_step_leads_to_its_comparison_and_a_point_to_its_commit(site: Path, tab: Any) -> None:
    opened(tab, largest(site, "benchmark-pytest-*parse*.html"))
    assert traces(tab)[0] > 1
    hover = "document.querySelector('.level .plot')._fullData.at(-1).customdata[0].slice(1, 4)"
    assert tab.evaluate(hover)[1:] == ["A", "commit 0"]
    labels = tab.locator(".level .annotation-text")
    assert labels.all_text_contents()[0].startswith("+1.")
    tab.locator("#steps tbody a", has_text="comparison").first.click()
    tab.wait_for_selector("html[data-ready]")
    assert "comparison-" in tab.url
    (row,) = tab.locator("#changes tbody tr", has_text="test_parse").all()
    row.get_by_role("link").click()
    tab.wait_for_selector("html[data-ready]")
    assert tab.locator("h1").inner_text() == "benchmarks/test_it.py::test_parse"


def test_changes_are_chosen_by_verdict_and_name(site: Path, tab: Any) -> None:
    file = next(p for p in site.glob("comparison-*.html") if "test_write" in p.read_text("utf-8"))
    opened(tab, file)
    rows = tab.locator("#changes tbody tr:visible")
    everything = rows.count()
    assert everything == 2
    tab.locator("[data-choice=text]").fill("test_write")
    assert rows.count() == 1
    tab.locator("[data-choice=text]").fill("")
    kind = tab.locator("#changes tbody tr").first.get_attribute("data-verdict")
    tab.locator("[data-choice=verdict]").select_option(kind)
    assert 0 < rows.count() <= everything
    opened(tab, file)  # the choice is a part of the address
    assert rows.count() == everything


def test_two_commits_are_compared(site: Path, tab: Any) -> None:
    opened(tab, site / "compare.html")
    tab.wait_for_selector(".result table")
    assert tab.locator("[data-side=newer]").input_value() == f"{COMMITS:040x}"
    assert tab.locator("[data-side=older]").input_value() == f"{COMMITS - 1:040x}"
    tab.locator("[data-side=older]").select_option(f"{STEP:040x}")
    until(tab, "parseFloat(document.querySelector('.result .number').textContent) > 1.2")
    first = tab.locator(".result tbody tr").first
    assert first.locator("th").inner_text() == "sigmoid"
    assert "vm" in first.inner_text()
    last = tab.locator(".result tbody tr").last.locator(".number").inner_text()
    assert 0.9 < float(last.removesuffix("×")) < 1.1


def test_a_missing_data_file_is_told(site: Path, tmp_path: Path, browser: Any) -> None:
    shutil.copytree(site, tmp_path / "site")
    (tmp_path / "site" / "data" / "history-sigmoid.js").unlink()
    page = browser.new_page()
    page.goto((tmp_path / "site" / "path-sigmoid.html").as_uri())
    page.get_by_text("The data file of this history is missing").wait_for(timeout=PATIENCE)
    page.close()


ODD_NAMES = ["a/b.py::c[1 %]", "../#?&", "Speed", "speed", "日本語\"'<b>", "  x"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_curves_of_any_name_load(name: str, oddly_named: Path, tab: Any) -> None:
    opened(tab, oddly_named / "index.html")
    tab.locator(f"a[href='path-{file_name(name)}.html']").first.click()
    tab.wait_for_selector("html[data-ready]")
    assert tab.locator("h1").inner_text().split() == name.split()
    assert all(traces(tab))
    assert tab.locator("[data-choice=case]").input_value() == name


@pytest.fixture(scope="module")
def oddly_named(
    tmp_path_factory: pytest.TempPathFactory, races: Callable[..., Iterator[str]]
) -> Path:
    folder = tmp_path_factory.mktemp("names")
    made = [json.loads(line) for line in races(commits=3)]
    lines = [json.dumps({**r, "path": name, "case": name}) for name in ODD_NAMES for r in made]
    (folder / "races.jsonl").write_text("\n".join(lines))
    return write(folder / "site", gather(folder, None, None), [], "demo").parent


def test_the_search_of_the_documentation_works_from_the_file_system(
    tmp_path: Path, tab: Any
) -> None:
    pytest.importorskip("material", reason="the extra `docs` is not installed")
    shutil.copytree(ROOT / "docs" / "assets", tmp_path / "docs" / "assets")
    for page in ("compare.md", "race.md"):  # `make docs` builds all of them
        shutil.copy(ROOT / "docs" / page, tmp_path / "docs")
    settings = {"INHERIT": str(ROOT / "mkdocs.yml"), "strict": False}
    settings |= {"nav": ["compare.md", "race.md"], "docs_dir": "docs", "site_dir": "site"}
    (tmp_path / "mkdocs.yml").write_text(json.dumps(settings), "utf-8")
    command = [sys.executable, "-m", "mkdocs", "build"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=900)
    tab.goto((tmp_path / "site" / "compare.html").as_uri())
    tab.locator(".md-search__input").click()
    tab.keyboard.type("signed-rank")
    tab.locator(".md-search-result__link").first.wait_for()
    assert tab.locator(".md-search-result__link", has_text="race").count()
