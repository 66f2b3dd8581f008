"""Which series run anything that differs, in whatever way they come to it; and what hides that."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlpperf.engine.pool.process import TaskWorker
from mlpperf.engine.versions.diff import changes
from mlpperf.engine.versions.version import Version
from mlpperf.engine.worker.protocol import Extents, Inventory, Side, Task, Touch
from mlpperf.errors import MlpperfError

STREETS = """
def walk():
    return 1

def stand():
    return 2

def at_loading():
    return 3
"""
WALK = {"src/town/streets.py": STREETS.replace("return 1", "return 1 + 0")}
LOADING = {"src/town/streets.py": STREETS.replace("return 3", "return 3 + 0")}
PYTEST = """
import subprocess, sys, threading
import pytest
from town import streets

CACHE = []

def test_stand(benchmark):
    benchmark(streets.stand)

def test_walk(benchmark):
    benchmark(streets.walk)

def test_in_a_thread(benchmark):
    def call():
        thread = threading.Thread(target=streets.walk)
        thread.start()
        thread.join()
    benchmark(call)

def test_in_a_process(benchmark):
    benchmark.pedantic(subprocess.run, args=([sys.executable, "-c", ""],))

def test_fails(benchmark):
    benchmark(lambda: 1 / 0)

def test_stand_again(benchmark):
    benchmark(streets.stand)
"""
ASV = """
from town import streets

def time_stand():
    streets.stand()

class Walks:
    def setup(self):
        self.steps = streets.walk()
    def time_after_a_setup(self):
        pass

def time_walk():
    streets.walk()
"""
# Tests of which each call runs changed functions, and what changed besides, as last answered.
FOLLOWED: dict[str, str] = {}
# Parts of pytest that no test here needs, and that take longer than all the rest where calls are
# watched.
PARTS = "cacheprovider debugging doctest faulthandler junitxml legacypath logging monkeypatch "
PARTS += "pastebin recwarn setuponly setupplan skipping stepwise threadexception tmpdir unittest "
PARTS += "unraisableexception warnings"
WITHOUT = [word for part in PARTS.split() for word in ("-p", f"no:{part}")]


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Without plugins and in forks; but once with plugins, and in a process of its own."""
    if request.node.name != "test_only_what_runs_it_is_touched":
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        request.getfixturevalue("in_forks")


def touched(
    folder: Path, tests: str, head: dict[str, str], base: dict[str, str] | None = None
) -> dict[str, str]:
    """Why each series may run what differs, by its function; nothing if it does not.

    The head has some files otherwise, and both have what the `base` has.
    """
    suite, name = ("asv", "speed/walks.py") if "def time_" in tests else ("pytest", "tests/test.py")
    usual = {"src/town/__init__.py": "", "src/town/streets.py": STREETS, name: tests}
    sides, versions = {}, []
    for side, more in (("base", {}), ("head", head)):
        root = folder / side
        for file, text in {**usual, **(base or {}), **more}.items():
            if text is not None:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (root / file).write_text(text, encoding="utf-8")
        sides[side] = Side(str(root), ["town"], [str(root / "src")])
        versions.append(Version(side, None, root))
    different = changes(*versions)
    assert not different.unknown
    arguments = [*WITHOUT, "--", name] if suite == "pytest" else ["speed"]
    task = Task("discover", suite, arguments, sides)
    if suite == "pytest":
        series = [(name, "", test) for test in re.findall(r"^def (test_\w+)", tests, re.MULTILINE)]
    else:
        with TaskWorker(task, patience=60.0) as worker:
            inventory = next(worker)
            assert isinstance(inventory, Inventory)
            series = inventory.series
    task = replace(task, kind="touch", series=series, changed=different.to_json())
    with TaskWorker(task, patience=60.0) as worker:
        answers = list(worker)
    FOLLOWED.clear()
    FOLLOWED.update({one.series[2]: one.elsewhere for one in answers if isinstance(one, Extents)})
    return {answer.series[2]: answer.why for answer in answers if isinstance(answer, Touch)}


def only(folder: Path, tests: str, head: dict[str, str], base: dict[str, str] | None = None) -> str:
    """Of one series, why it is touched: that of `test_it`; nothing before it is."""
    text = (
        "import pytest\nfrom town import streets\n\n"
        f"def test_before(benchmark):\n    benchmark(streets.stand)\n\n{tests}"
    )
    answers = touched(folder, text, head, base)
    assert answers["test_before"] == ""
    return answers["test_it"]


def each(
    folder: Path,
    before: str,
    calls: Sequence[str],
    head: dict[str, str],
    base: dict[str, str] | None = None,
) -> dict[str, str]:
    """Why each of some calls is touched."""
    tests = "".join(
        f"\ndef test_{number}(benchmark):\n    benchmark(lambda: {call})\n"
        for number, call in enumerate(calls)
    )
    text = f"from town import streets\n{before}\n"
    text += f"def test_before(benchmark):\n    benchmark(streets.stand)\n{tests}"
    answers = touched(folder, text, head, base)
    assert answers.pop("test_before") == ""
    return dict(zip(calls, answers.values(), strict=True))


@pytest.mark.parametrize(
    ("before", "after", "elsewhere"),
    [
        ("", "", ""),
        ("from town import maps", "", "src/town/maps.py"),
        ("", "__import__('town.maps')", "src/town/maps.py"),  # in a later one
        ("", "open('changes/1.fix')", "changes/1.fix"),
    ],
)
def test_what_changed_besides_functions_matters_if_it_is_run_or_may_be_read(
    before: str, after: str, elsewhere: str, tmp_path: Path
) -> None:
    """Not what only tests import, nor a note for the changelog."""
    base = {"src/town/maps.py": "SCALE = 1\n", "changes/1.fix": "Old.\n"}
    head = {**WALK, "src/town/maps.py": "SCALE = 2\n", "changes/1.fix": "New.\n"}
    calls = ["streets.walk()", *filter(None, [after and f"[streets.walk(), {after}]"])]
    each(tmp_path, before, calls, head, base)
    assert FOLLOWED.get("test_0") == elsewhere


# --- what it runs ---------------------------------------------------------------------------------


def test_only_what_runs_it_is_touched(tmp_path: Path) -> None:
    changed = "runs what changed in src/town/streets.py"
    assert touched(tmp_path, PYTEST, WALK) == {
        "test_stand": "",
        "test_walk": changed,
        "test_in_a_thread": changed,
        "test_in_a_process": "starts a process",  # nobody knows what that runs
        "test_fails": "ZeroDivisionError: division by zero",
        "test_stand_again": "",
    }


def test_what_only_some_calls_run_is_seen(tmp_path: Path) -> None:
    """As a buffer that is full now and then; a benchmark need not bear to be called as often."""
    before = "from itertools import count\nFULL, FAILS, OTHER = count(1), count(1), count(1)\n"
    calls = [
        "next(FULL) % 64 or streets.walk()",
        "next(FAILS) > 40 and 1 / 0",
        "next(OTHER) > 10**6 and streets.walk()",
        "streets.walk()",
    ]
    changed = "runs what changed in src/town/streets.py"
    answers = each(tmp_path, before, calls, WALK)
    assert list(answers.values()) == [changed, "", "", changed]
    assert [*FOLLOWED] == ["test_3"], "one call shows nothing of what only some calls run"


def test_one_side_is_enough(tmp_path: Path) -> None:
    """What only one version calls, and what only one has."""
    town = "from town.streets import stand\n\ndef go(n=0):\n    {}\n"
    files = {"src/town/__init__.py": town.format("return stand()")}
    more = {"src/town/__init__.py": town.format("return n")}
    tests = "import town\n\ndef test_it(benchmark):\n    benchmark(town.go)\n"
    assert only(tmp_path, tests, more, files)
    assert only(tmp_path / "other", tests, files, more)


CALLS = """
import asyncio, importlib, queue, signal, threading
from concurrent.futures import ThreadPoolExecutor
from greenlet import greenlet

class Ends:
    def __del__(self):
        streets.walk()

async def go():
    return streets.walk()

POOL = ThreadPoolExecutor(1)  # with a thread that is there when the series begins
POOL.submit(int).result()
ASKED, GIVEN = queue.Queue(), queue.Queue()

def serve():
    while True:
        GIVEN.put(ASKED.get()())

threading.Thread(target=serve, daemon=True).start()
signal.signal(signal.SIGUSR1, lambda *_: streets.walk())
"""


def test_it_is_seen_however_it_is_called(tmp_path: Path) -> None:
    calls = [
        "sorted([2, 1], key=lambda x: streets.walk())",
        "list(streets.walk() for _ in (1, 2))",
        "Ends()",
        "asyncio.run(go())",
        "POOL.submit(streets.walk).result()",
        "[ASKED.put(streets.walk), GIVEN.get()]",
        "importlib.import_module('town.streets').walk()",
        "greenlet(streets.walk).switch()",
        "signal.raise_signal(signal.SIGUSR1)",
    ]
    answers = each(tmp_path, CALLS, calls, WALK)
    assert answers == dict.fromkeys(calls, "runs what changed in src/town/streets.py")


STEPS = """
def generator():
    yield {0}
    yield 1

async def coroutine():
    return {0}

class Iterator:
    def __iter__(self): return self
    def __next__(self): return {0}
"""


def test_what_is_run_as_garbage_is_collected_is_seen(tmp_path: Path) -> None:
    before = """
import gc, weakref

gc.disable()  # or it depends on how much is allocated when that is

class Ring:
    def __init__(self):
        self.me = self

class Closing(Ring):
    def __del__(self):
        streets.walk()

def watched():
    weakref.finalize(Ring(), streets.walk)
"""
    calls = ["Closing()", "watched()", "Ring()"]
    *seen, other = each(tmp_path, before, calls, WALK).values()
    assert set(seen) == {"runs what changed in src/town/streets.py when garbage is collected"}
    assert other == ""


def test_what_was_made_at_the_set_up_is_seen_as_it_goes_on(tmp_path: Path) -> None:
    tests = """
import pytest
from town import steps, streets

def go(made):
    try:
        made.send(None) if hasattr(made, "send") else next(made)
    except StopIteration:
        pass
"""
    names = ("generator", "coroutine", "Iterator")
    for name in names:
        tests += f"""
@pytest.fixture
def made_{name}():
    return [steps.{name}() for _ in range(100)]

def test_{name}(benchmark, made_{name}):
    benchmark(lambda: go(made_{name}.pop()))
"""
    tests += "\ndef test_after(benchmark):\n    benchmark(streets.stand)\n"
    base, head = ({"src/town/steps.py": STEPS.format(n)} for n in "12")
    answers = touched(tmp_path, tests, head, base)
    assert answers.pop("test_after") == ""
    assert len(answers) == 3
    assert all(answers.values())


def test_constants_count_by_who_mentions_them(tmp_path: Path) -> None:
    maps = "SCALE = {}\n\ndef draw():\n    return SCALE\n\ndef fold():\n    return 1\n"
    base, head = ({"src/town/maps.py": maps.format(n)} for n in "12")
    tests = """
from town import maps

def test_fold(benchmark):
    benchmark(maps.fold)

def test_by_name(benchmark):
    benchmark(lambda: getattr(maps, "SCALE"))

def test_draw(benchmark):
    benchmark(maps.draw)
"""
    answers = touched(tmp_path, tests, head, base)
    assert {name for name, why in answers.items() if why} == {"test_by_name", "test_draw"}


def test_what_is_imported_again_is_run_again(tmp_path: Path) -> None:
    """Constants at the top of a module that a call imports; or that it reads in whatever way."""
    base, head = (
        {"src/town/maps.py": f"A = sum(i for i in range({number}))\n"} for number in (1, 2)
    )
    before = """
import importlib.util, pathlib, pkgutil, runpy, shutil, sys
PLACE = pathlib.Path(streets.__file__).with_name("maps.py")

def statement():
    sys.modules.pop("town.maps", None)
    import town.maps

def by_name():
    sys.modules.pop("town.maps", None)
    importlib.import_module("town.maps")

def by_runpy():
    runpy.run_module("town.maps")

def compiled():
    exec(compile(PLACE.read_text(), "x", "exec"))

def source():
    importlib.util.find_spec("town.maps").loader.get_source("town.maps")

def data():
    pkgutil.get_data("town", "maps.py")
"""
    calls = [
        *("statement()", "by_name()", "by_runpy()", "compiled()", "source()"),
        *("data()", "shutil.copyfile(PLACE, '/dev/null')", "streets.stand()"),
    ]
    *changed, same = each(tmp_path, before, calls, head, base).values()
    assert all("src/town/maps.py" in why for why in changed)
    assert same == ""


def test_what_is_imported_late_touches_nobody_else(tmp_path: Path) -> None:
    base, head = ({"src/town/maps.py": f"A = {n}\ndef draw():\n    return {n}\n"} for n in "12")
    tests = """
def late():
    from town import maps

def test_it(benchmark):
    benchmark(late)

def test_after(benchmark):
    benchmark(streets.stand)
"""
    answers = touched(tmp_path, f"from town import streets\n{tests}", head, base)
    assert answers == {"test_it": "imports src/town/maps.py, which changed", "test_after": ""}


# --- what others have run before ------------------------------------------------------------------

CACHED = """
def test_cached(benchmark):
    benchmark(lambda: CACHE or CACHE.append(streets.walk()))

def test_with_the_cache(benchmark):
    benchmark(lambda: CACHE[0])
"""
FIXTURE = """
@pytest.fixture(scope="module")
def walked():
    return streets.walk()

def test_fixture(benchmark, walked):
    benchmark(streets.stand)

def test_same_fixture(benchmark, walked):
    benchmark(streets.stand)
"""
AFTERWARDS = """
def test_asserts(benchmark):
    benchmark(streets.stand)
    CACHE.append(streets.walk())

def test_with_the_cache(benchmark):
    benchmark(lambda: CACHE[0])
"""


@pytest.mark.parametrize(
    ("more", "names"),
    [
        (CACHED, ("test_cached", "test_with_the_cache")),
        (FIXTURE, ("test_fixture", "test_same_fixture")),
        (AFTERWARDS, ("test_asserts", "test_with_the_cache")),
    ],
)
def test_what_was_kept_touches_those_that_come_later(
    more: str, names: tuple[str, str], tmp_path: Path
) -> None:
    tests = PYTEST.replace("def test_walk", more + "def test_walk")
    answers = touched(tmp_path, tests, WALK)
    assert not answers["test_stand"]
    assert answers[names[0]]
    assert answers[names[1]]
    assert answers["test_stand_again"]


def test_what_runs_while_the_suite_is_loaded_touches_all(tmp_path: Path) -> None:
    tests = PYTEST.replace("CACHE = []", "CACHE = [streets.at_loading()]")
    answers = touched(tmp_path, tests, LOADING)
    assert set(answers.values()) == {
        "runs what changed in src/town/streets.py (when the suite is loaded)"
    }


def test_benchmarks_of_asv_are_touched_by_what_sets_them_up(tmp_path: Path) -> None:
    names = {"time_stand", "time_after_a_setup", "time_walk"}
    answers = touched(tmp_path, ASV, WALK)
    assert answers.keys() == names
    assert answers["time_after_a_setup"]
    assert answers["time_walk"]
    assert not any(touched(tmp_path / "other", ASV, LOADING).values())


# --- files that are not run -----------------------------------------------------------------------

DATA = {"src/town/table.csv": "1"}, {"src/town/table.csv": "2"}


def test_data_counts_if_it_is_read(tmp_path: Path) -> None:
    before = """
import importlib, os, pathlib, pkgutil, sys
import numpy
sqlite3 = importlib.import_module("sqlite3")
sys.modules.pop("_sqlite3", None)  # which may open any file
PLACE = pathlib.Path(streets.__file__).with_name("table.csv")
TOWN = os.open(PLACE.parent, os.O_RDONLY)
"""
    calls = [
        "PLACE.read_text()",
        "os.close(os.open(PLACE, os.O_RDONLY))",
        "pkgutil.get_data('town', 'table.csv')",
        "numpy.loadtxt(PLACE)",
        "sqlite3.connect(f'file:{PLACE}?mode=ro', uri=True).close()",
        "os.close(os.open('table.csv', os.O_RDONLY, dir_fd=TOWN))",
        "PLACE.with_name('streets.py').read_text()",
    ]
    base, head = DATA
    *read, other = each(tmp_path, before, calls, head, base).values()
    assert set(read) == {"reads src/town/table.csv, which changed"}
    assert other == ""


def test_data_counts_if_it_is_asked_about(tmp_path: Path) -> None:
    """Without being opened, or by another way than its path."""
    before = """
import os, pathlib, shutil
HERE = pathlib.Path(streets.__file__).resolve().parent
PLACE, KNOWN = HERE / "table.csv", HERE / "streets.py"
LINK = pathlib.Path(__file__).with_name("other.csv")
LINK.symlink_to(PLACE)
FOLDER = os.open(HERE, os.O_RDONLY)
assert {os.stat, os.open} <= os.supports_dir_fd
"""
    calls = [
        "PLACE.stat().st_size",
        "os.access(PLACE, os.X_OK)",
        "os.stat('table.csv', dir_fd=FOLDER)",
        "LINK.stat()",
        "LINK.read_text()",
        "os.close(os.open('table.csv', os.O_RDONLY, dir_fd=FOLDER))",
        "KNOWN.stat()",
        "(HERE / 'nothing.csv').exists()",
        "os.listdir(FOLDER)",
        "list(os.scandir(HERE.parent))",
        "[entry.stat().st_size for entry in os.scandir(HERE)]",
        "os.link(PLACE, LINK.with_name('linked.csv'))",
    ]
    base, head = DATA
    *answers, scanned, linked = each(tmp_path, before, calls, head, base).values()
    assert answers[:4] == ["asks about src/town/table.csv, which changed"] * 4
    assert scanned == "lists the folder of src/town/table.csv, which changed"
    assert [*answers[4:6], linked] == ["reads src/town/table.csv, which changed"] * 3
    assert set(answers[6:]) == {""}


def test_a_file_more_counts_if_it_is_asked_for(tmp_path: Path) -> None:
    calls = [
        "(HERE / SLOW / FLAG).exists()",
        "(HERE / SLOW).is_dir()",
        "os.path.isfile(HERE / SLOW / FLAG)",
        "list(os.fwalk(HERE))",
        "(HERE / 'quick').exists()",
        "HERE.exists()",
    ]
    before = "import os, pathlib\nHERE = pathlib.Path(streets.__file__).parent\n"
    before += "SLOW, FLAG = 'SLOW'.lower(), 'FLAG'.lower()  # nobody finds these names in a text\n"
    *changed, other, same = each(tmp_path, before, calls, {"src/town/slow/flag": ""}).values()
    assert set(changed[:3]) == {"asks about src/town/slow/flag, which changed"}
    assert "src/town/slow/flag" in changed[3]
    assert (other, same) == ("", "")


def test_data_counts_if_a_library_of_python_reads_it(tmp_path: Path) -> None:
    """One in C, which opens files without Python's knowing."""
    before = """
import locale, os, pathlib, readline, ssl
PLACE = pathlib.Path(streets.__file__).with_name("table.csv")
OTHER = PLACE.with_name("other.csv")
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

def tried(function, *args, **named):
    try:
        function(*args, **named)
    except (OSError, ValueError):  # the content is none that it can use
        pass

def by_variable():
    os.environ["SSL_CERT_FILE"] = str(PLACE)
    CONTEXT.set_default_verify_paths()
    del os.environ["SSL_CERT_FILE"]
"""
    calls = [
        "tried(CONTEXT.load_verify_locations, PLACE)",
        "tried(CONTEXT.load_verify_locations, capath=os.fsencode(PLACE.parent))",
        "tried(CONTEXT.load_cert_chain, certfile=str(PLACE))",
        "tried(ssl.create_default_context, cafile=PLACE)",
        "by_variable()",
        "locale.bindtextdomain('town', PLACE.parent)",
        "readline.read_history_file(PLACE)",
        "tried(CONTEXT.load_verify_locations, OTHER)",
        "tried(CONTEXT.load_verify_locations, cadata=b'\\0')",
        "CONTEXT.set_default_verify_paths()",
    ]
    base, head = DATA
    *answers, other, content, usual = each(tmp_path, before, calls, head, base).values()
    assert set(answers) == {"reads src/town/table.csv, which changed"}
    assert (other, content, usual) == ("", "", "")


def test_data_counts_if_the_function_itself_is_one_of_python(tmp_path: Path) -> None:
    """What calls it is no file of the project."""
    tests = """
import functools, os, pathlib
PLACE = pathlib.Path(streets.__file__).with_name("table.csv")
HERE = PLACE.parent
FOLDER = os.open(HERE, os.O_RDONLY)

def test_it(benchmark):
    benchmark(os.path.getsize, PLACE)

def test_folder(benchmark):
    benchmark(os.listdir, HERE)

def test_scan(benchmark):
    benchmark.pedantic(os.scandir, (HERE,))

def test_descriptor(benchmark):
    benchmark(os.listdir, FOLDER)

def test_other(benchmark):
    benchmark(os.listdir, HERE.parent)
"""
    base, head = DATA
    head = head | {"src/town/more.txt": ""}
    text = f"from town import streets\n{tests}"
    assert touched(tmp_path, text, head, base) == {
        "test_it": "asks about src/town/table.csv, which changed",
        "test_folder": "lists the folder of src/town/more.txt, which changed",
        "test_scan": "lists the folder of src/town/table.csv, which changed",
        "test_descriptor": "lists the folder of src/town/more.txt, which changed",
        "test_other": "",
    }


def test_code_of_no_file_is_watched_where_the_current_folder_is_gone(tmp_path: Path) -> None:
    before = """
import os, tempfile
HERE = os.getcwd()

def gone():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)
    exec(compile("def made(): return 1\\n\\nmade()", "<from no file>", "exec"), {})
    os.chdir(HERE)
"""
    calls = ["gone()", "[gone(), streets.walk()]"]
    other, changed = each(tmp_path, before, calls, WALK).values()
    assert (other, changed) == ("", "runs what changed in src/town/streets.py")


def test_data_counts_if_something_may_read_it_unseen(tmp_path: Path) -> None:
    """An extension module opens files without Python's knowing."""
    tests = """
import sys
from types import ModuleType
sys.modules["quick"] = ModuleType("quick")
sys.modules["quick"].__file__ = "/env/site-packages/quick.so"
NAME = "table.{}"

def test_it(benchmark):
    benchmark(len, "it")
"""
    base, head = DATA
    answers = touched(tmp_path, tests.format("csv"), head, base)
    assert (
        answers["test_it"]
        == "quick may read src/town/table.csv, which changed (when the suite is loaded)"
    )
    assert not touched(tmp_path / "other", tests.format("txt"), head, base)["test_it"]


def test_data_counts_if_the_project_calls_a_library_in_c(tmp_path: Path) -> None:
    base, head = DATA
    tests = "import ctypes\nNAME = 'table.csv'\n{}\n\ndef test_it(benchmark): benchmark(len, '')\n"
    calls = tests.format("ctypes.CDLL(None).abs")
    assert touched(tmp_path, calls, head, base)["test_it"].startswith("ctypes may read src/town")
    assert not touched(tmp_path / "other", tests.format(""), head, base)["test_it"]


def test_data_counts_if_a_database_may_be_attached(tmp_path: Path) -> None:
    base, head = DATA
    tests = (
        "import sqlite3\nNAME = 'table.csv'\n\ndef test_it(benchmark):\n    benchmark(len, NAME)\n"
    )
    assert touched(tmp_path, tests, head, base)["test_it"].startswith("_sqlite3 may read src/town")


def test_a_file_counts_if_it_is_asked_about(tmp_path: Path) -> None:
    """Its size, or whether it exists, or a folder that comes and goes with it."""
    before = "import os, pathlib\nTOWN = pathlib.Path(streets.__file__).parent\n"
    calls = [
        "(TOWN / 'table.csv').stat()",
        "os.access(TOWN / ''.join(['qu', 'ick']), os.R_OK)",
        "(TOWN / 'plugs' / 'more').is_dir()",
        "os.path.lexists(f'{TOWN}/plugs')",
        "(TOWN / 'harbour.py').exists()",
        "list(TOWN.iterdir())",
        "[TOWN.is_dir(), (TOWN / 'streets.py').exists(), (TOWN / 'other.csv').exists()]",
    ]
    base = DATA[0] | {"src/town/plugs/more/x.txt": "x", "src/town/quick": "x"}
    head = DATA[1] | {"src/town/harbour.py": ""} | dict.fromkeys(base.keys() - DATA[0].keys())
    *asked, listed, other = each(tmp_path, before, calls, head, base).values()  # type: ignore[arg-type]
    names = ("table.csv", "quick", "plugs/more/x.txt", "plugs/more/x.txt", "harbour.py")
    assert asked == [f"asks about src/town/{name}, which changed" for name in names]
    assert listed.startswith("lists the folder of src/town/")
    assert other == ""


def test_pytest_s_own_look_at_its_configuration_does_not_count(tmp_path: Path) -> None:
    base, head = ({"pyproject.toml": f"[tool.ruff]\nline-length = {n}\n"} for n in (88, 99))
    tests = """
from pathlib import Path

def test_it(benchmark):
    benchmark((Path(__file__).parents[1] / "pyproject.toml").read_text)

def test_other(benchmark):
    benchmark(len, "it")
"""
    found = touched(tmp_path, tests, head, base)
    assert found == {"test_it": "reads pyproject.toml, which changed", "test_other": ""}


def test_a_file_more_does_not_count_if_packages_are_looked_for_beside_it(tmp_path: Path) -> None:
    """As pytest does for its plugins, and a project for its own version."""
    calls = ["list(importlib.metadata.Lookup(importlib.metadata.FastPath(TOP)).infos)"]
    calls += ["os.listdir(TOP)"]
    before = "import importlib.metadata, os\nimport town\nTOP = os.path.dirname(town.__path__[0])\n"
    asked, listed = each(tmp_path, before, calls, {"src/notes.txt": "new"}).values()
    assert asked == OTHER_BYTECODES  # it is looked at, and no part of what is looked for
    assert listed == "lists the folder of src/notes.txt, which changed"


def test_a_file_more_counts_if_its_folder_is_listed(tmp_path: Path) -> None:
    calls = [
        "os.listdir(town.__path__[0])",
        "list(pathlib.Path(town.__path__[0]).glob('*.py'))",
        "[list(entries[1:3]) for entries in os.fwalk(town.__path__[0])]",
        "list(pathlib.Path(town.__path__[0]).parent.iterdir())",
        "sum(1 for _ in pkgutil.iter_modules(town.__path__))",  # is known by its name
    ]
    before = "import os, pathlib, pkgutil\nimport town\n"
    *listed, other, modules = each(tmp_path, before, calls, {"src/town/harbour.py": ""}).values()
    assert modules == "runs what changed in src/town/harbour.py"
    assert set(listed) == {"lists the folder of src/town/harbour.py, which changed"}
    assert other == ""


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("src/city/maps.py", "{elsewhere}"),
        ("lib/site-packages/city/maps.py", "the installed city/maps.py"),
        ("src/other/maps.py", ""),
    ],
)
def test_what_is_installed_elsewhere_is_not_what_changed(
    place: str, named: str, tmp_path: Path
) -> None:
    """An editable install has both versions import the working tree."""
    elsewhere = tmp_path / "elsewhere" / place
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text("def draw():\n    return 1\n")
    tests = f"""
import sys
sys.path.insert(0, {str(elsewhere.parents[1])!r})
from {elsewhere.parent.name} import maps

def test_it(benchmark):
    benchmark(maps.draw)
"""
    base, head = ({"src/city/maps.py": f"def draw():\n    return {n}\n"} for n in "12")
    why = touched(tmp_path, tests, head, base)["test_it"]
    named = named.format(elsewhere=elsewhere)
    assert why == (
        f"imports {named} instead of src/city/maps.py (when the suite is loaded)" if named else ""
    )


@pytest.mark.parametrize("is_project", [True, False])
@pytest.mark.parametrize("source", ["", "src/"])
def test_what_changed_in_another_project_of_the_repository_must_not_come_from_its_installation(
    source: str, is_project: bool, tmp_path: Path
) -> None:
    packages = tmp_path / "lib/site-packages"
    (packages / "core").mkdir(parents=True)
    (packages / "core/maps.py").write_text("def draw(): pass\n")
    tests = f"""
import sys
sys.path.insert(0, {str(packages)!r})

def test_it(benchmark):
    from core import maps
    benchmark(maps.draw)
"""
    base, head = ({f"other/{source}core/maps.py": f"def draw(): {n}\n"} for n in "12")
    base |= {"other/setup.cfg": ""} if is_project else {}
    if not is_project:
        assert len(touched(tmp_path, tests, head, base)) == 1
        return
    with pytest.raises(MlpperfError, match=f"core/maps.py from .* in place of other/{source}core"):
        touched(tmp_path, tests, head, base)


def test_what_runs_the_suite_is_not_what_changed(tmp_path: Path) -> None:
    """A version of pluggy is compared, and pytest has imported the installed one before."""
    base, head = ({"src/pluggy/_hooks.py": f"def draw():\n    return {n}\n"} for n in "12")
    tests = "def test_it(benchmark):\n    benchmark(streets.stand)\n"
    assert touched(tmp_path, tests, head, base)["test_it"] == (
        "imports the installed pluggy/_hooks.py instead of src/pluggy/_hooks.py "
        "(when the suite is loaded)"
    )


def test_what_is_never_run_does_not_count(tmp_path: Path) -> None:
    """Python of another kind, tests that are not timed, what builds the documentation."""
    base = {"tests/data/old.py": "print 1\n", "tests/test_other.py": "x = 1\n"}
    head = {
        "tests/data/old.py": "print 2\n",
        "tests/test_other.py": "@mark.slow\ndef test_x(): stand()\nstand = 1\n",
        "docs/conf.py": "go()\n",
    }
    tests = "def test_it(benchmark):\n    benchmark(streets.stand)\n"
    assert only(tmp_path, tests, head, base) == ""


def test_what_cannot_be_followed_counts_once_it_is_run(tmp_path: Path) -> None:
    tests = "def test_it(benchmark):\n    benchmark(streets.stand)\n"
    text = f"from town import streets\n{tests}"
    answers = touched(tmp_path, text, {"src/town/__init__.py": "print()\n"})
    assert "src/town/__init__.py calls print" in answers["test_it"]


def test_what_only_one_version_imports_touches_all(tmp_path: Path) -> None:
    """It may change what others hold."""
    base = {"src/town/patches.py": "from town import streets\nstreets.stand = streets.walk\n"}
    head = {"src/town/__init__.py": "import town.patches\n"}
    text = "from town import streets\n\ndef test_it(benchmark):\n    benchmark(streets.stand)\n"
    answers = touched(tmp_path, text, head, base)
    assert (
        answers["test_it"]
        == "only one version imports src/town/patches.py (when the suite is loaded)"
    )


# --- what hides -----------------------------------------------------------------------------------


HIDING = """
import _thread, importlib, multiprocessing, os, socket, subprocess, sys, threading
INTERPRETERS = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
INTERPRETERS = importlib.import_module(INTERPRETERS)
SERVER = socket.create_server(("127.0.0.1", 0))
"""


def test_what_others_may_run_is_not_untouched(tmp_path: Path) -> None:
    calls = {
        "subprocess.run(['true'])": "starts a process",
        "os.system('true')": "starts a process",
        "os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)": "starts a process",
        "socket.create_connection(SERVER.getsockname())": "connects to another process",
        "os.fork() or os._exit(0)": "starts a process",
        "multiprocessing.get_context('spawn').Process(target=int).start()": "has another process",
    }
    assert each(tmp_path, HIDING, list(calls), WALK) == calls


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("sys.settrace(None)", "something else traces what is run"),
        ("sys.setprofile(None)", "something else traces what is run"),
        ("threading.settrace(None)", "something else traces what is run"),
        ("_thread.start_new_thread(int, ())", "starts threads that cannot be watched"),
        ("INTERPRETERS.destroy(INTERPRETERS.create())", "runs another interpreter"),
        ("compile('1', 'x', 'eval').replace(co_name='x')", "makes functions that cannot be"),
    ],
)
def test_what_hides_is_not_untouched(call: str, why: str, tmp_path: Path) -> None:
    assert each(tmp_path, HIDING, [call], WALK)[call].startswith(why)


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        # A process that is there already, of a fixture or of the module.
        (
            "@pytest.fixture\ndef pool():\n"
            "    with multiprocessing.get_context('spawn').Pool(1) as made:\n"
            "        yield made\n\n"
            "def test_it(benchmark, pool):\n    benchmark(pool.apply, abs, (-1,))\n",
            "process",
        ),
        (
            "CHILD = subprocess.Popen(['sleep', '60'])\n\n"
            "def test_it(benchmark):\n    benchmark(len, 'it')\n",
            "starts a process (when the suite is loaded)",
        ),
        (
            "VALUE = subprocess.run([sys.executable, '-c', 'print(1)'])\n\n"
            "def test_it(benchmark):\n    benchmark(len, 'it')\n",
            "starts a process (when the suite is loaded)",
        ),
        (
            "sys.modules['numba'] = sys\n\ndef test_it(benchmark):\n    benchmark(len, 'it')\n",
            "numba compiles functions, and hides them (when the suite is loaded)",
        ),
        (
            "sys.settrace(None)\n\ndef test_it(benchmark):\n    benchmark(len, 'it')\n",
            "something else traces what is run (when the suite is loaded)",
        ),
    ],
)
def test_so_is_what_hid_before(tests: str, why: str, tmp_path: Path) -> None:
    text = f"import multiprocessing, subprocess, sys\nimport pytest\n\n{tests}"
    assert why in touched(tmp_path, text, WALK)["test_it"]


# --- what modules do while they are imported ------------------------------------------------------

REGISTER = """
class Register:
    size = 0
    def keys(self, more):
        self.size += more
    def __rshift__(self, more):
        self.size += more
    def __init_subclass__(cls):
        Register.size += 1

class PlainError(Exception):
    def __init_subclass__(cls):
        Register.size += 1

def add(more):
    Register.size += more

KEPT = Register()
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A = KEPT.keys(1)", "A = KEPT.keys(2)"),
        ("A = KEPT >> 1", "A = KEPT >> 2"),
        ("A = sorted([1], key=add)", "A = sorted([1, 2], key=add)"),
        ("@KEPT.keys(1)\ndef f(): pass", "@KEPT.keys(2)\ndef f(): pass"),
        ("A = 1", "A = 1\nclass NewError(PlainError): pass"),
    ],
)
def test_changed_code_that_calls_others_as_it_is_imported_cannot_be_followed(
    before: str, after: str, tmp_path: Path
) -> None:
    tests = "from town import shops, streets\n\ndef test_it(benchmark):\n    benchmark(len, 'it')\n"
    register = {"src/town/register.py": REGISTER.replace("self.size += more", "return lambda f: f")}
    shops = "from .register import KEPT, PlainError, add\n\n{}\n"
    base = {**register, "src/town/shops.py": shops.format(before)}
    head = {"src/town/shops.py": shops.format(after)}
    why = touched(tmp_path, tests, head, base)["test_it"]
    assert why.startswith("src/town/shops.py calls ")


def test_changed_bodies_are_followed_whatever_decorates_them(tmp_path: Path) -> None:
    shops = "from .register import KEPT\n\n@KEPT.keys(1)\ndef f():\n    return {}\n"
    register = REGISTER.replace("self.size += more", "return lambda f: f")
    base = {"src/town/register.py": register, "src/town/shops.py": shops.format(1)}
    tests = "from town import shops, streets\n\ndef test_it(benchmark):\n    benchmark(len, 'it')\n"
    head = {"src/town/shops.py": shops.format(2)}
    assert touched(tmp_path, tests, head, base) == {"test_it": ""}
    more = shops.format(1) + "\nclass New:\n    size = 1\n"
    head = {"src/town/shops.py": more}
    assert touched(tmp_path / "class", tests, head, base) == {"test_it": ""}


@pytest.mark.parametrize("fails", ["import no_such_module", "raise ImportError"])
def test_a_module_that_only_one_version_can_import_decides_what_others_do(
    fails: str, tmp_path: Path
) -> None:
    shops = "F = 0\ntry:\n    from . import fast\n    F = 1\nexcept ImportError:\n    pass\n"
    base = {"src/town/shops.py": shops, "src/town/fast.py": "A = 1\n"}
    tests = "from town import shops, streets\n\ndef test_it(benchmark):\n    benchmark(len, 'it')\n"
    why = touched(tmp_path, tests, {"src/town/fast.py": f"A = 1\n{fails}\n"}, base)["test_it"]
    assert why.startswith("only one version can import src/town/fast.py")


def test_a_new_module_counts_if_it_is_imported_by_a_computed_name(tmp_path: Path) -> None:
    shops = """
import importlib
load = getattr(importlib, "import_" + "module")
F = 0
try:
    load("xtown"[1:] + ".fa" + "st")
    F = 1
except ImportError:
    pass
"""
    tests = "from town import shops, streets\n\ndef test_it(benchmark):\n    benchmark(len, 'it')\n"
    answers = touched(tmp_path, tests, {"src/town/fast.py": ""}, {"src/town/shops.py": shops})
    assert "imports src/town/fast.py, which only one version has, by a comp" in answers["test_it"]


# --- what cannot be read in the source ------------------------------------------------------------

OTHER_BYTECODES = "does not execute the same bytecodes in both versions"
OTHER_CALLS = "does not call the same functions in both versions"
KIND = "from . import KEPT\n{}\ndef make():\n    return 1\n\nKEPT.kinds.append(make)\n"
KINDS = {
    # No value is compared that a thread keeps for itself.
    "src/town/__init__.py": "import threading\nKEPT = threading.local()\nKEPT.kinds = []\n",
    "src/town/alpha.py": KIND.format(""),
    "src/town/beta.py": KIND.format(""),
}


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("town.KEPT.kinds[0]()", OTHER_CALLS),
        ("[kind for kind in town.KEPT.kinds if kind.__module__ < 'town.b']", ""),
        ("[kind() for kind in town.KEPT.kinds if kind.__module__ < 'town.b']", ""),
        (
            "next(len('a') for kind in town.KEPT.kinds if kind.__module__ < 'town.b')",
            OTHER_BYTECODES,
        ),
        # Which never is the same.
        ("[town.KEPT.kinds[0]() for _ in range(random.randrange(500))]", ""),
    ],
)
def test_equal_code_that_does_not_execute_the_same_counts(
    call: str, why: str, tmp_path: Path
) -> None:
    """The order in which modules are imported differs, and none says that it depends on it."""
    tests = "import random, town\nfrom town import beta, alpha, streets\n\n"
    tests += f"def test_it(benchmark):\n    benchmark(lambda: {call})\n"
    head = {"src/town/beta.py": KIND.format("from . import alpha\n")}
    assert touched(tmp_path, tests, head, KINDS) == {"test_it": why}


def test_so_does_what_is_set_up_in_another_way(tmp_path: Path) -> None:
    tests = "import town\nfrom town import beta, alpha, streets\n\ndef test_it(benchmark):\n"
    tests += "    size = town.KEPT.kinds[0]()\n    benchmark(lambda: size)\n"
    head = {"src/town/beta.py": KIND.format("from . import alpha\n")}
    assert touched(tmp_path, tests, head, KINDS) == {"test_it": f"{OTHER_CALLS} as it is set up"}


def test_so_does_the_order_of_methods_that_are_looked_for(tmp_path: Path) -> None:
    kind = "class Kind:\n    def one(self): pass\n    def two(self): pass\n"
    swapped = "class Kind:\n    def two(self): pass\n    def one(self): pass\n"
    tests = "from town import streets\nfrom town.kind import Kind\n\ndef test_it(benchmark):\n"
    tests += "    benchmark(lambda: next(filter(callable, vars(Kind).values()))(None))\n"
    head, base = {"src/town/kind.py": swapped}, {"src/town/kind.py": kind}
    assert touched(tmp_path, tests, head, base) == {"test_it": OTHER_CALLS}


def test_a_value_that_the_source_does_not_explain_is_for_all(tmp_path: Path) -> None:
    """Such as a register in the order in which modules are imported."""
    kind = "from . import KINDS\n{}\ndef make():\n    return 1\n\nKINDS.append(make)\n"
    base = {"src/town/__init__.py": "KINDS = []\n"}
    base |= dict.fromkeys(["src/town/alpha.py", "src/town/beta.py"], kind.format(""))
    tests = "import town\nfrom town import beta, alpha, streets\n\ndef test_it(benchmark):\n"
    tests += "    benchmark(len, 'it')\n"
    head = {"src/town/beta.py": kind.format("from . import alpha\n")}
    why = "src/town/__init__.py holds KINDS[0], which differs (when the suite is loaded)"
    assert touched(tmp_path, tests, head, base) == {"test_it": why}


def test_what_differs_in_every_copy_says_nothing(tmp_path: Path) -> None:
    base = {
        "src/town/sizes.py": "SIZE = 1\n",
        "src/town/words.py": "import random\n\nKEY = random.random()\n",
    }
    tests = "from town import sizes, streets, words\n\ndef test_it(benchmark):\n"
    tests += "    benchmark(len, 'it')\n"
    assert touched(tmp_path, tests, {"src/town/sizes.py": "SIZE = 2\n"}, base) == {"test_it": ""}
