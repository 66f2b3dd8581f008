"""Counts of what a call executes: exact, of the right function, or none."""

import dis
import functools
import importlib
import itertools
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.worker import counting
from mlpperf.engine.worker.calls import Counts
from mlpperf.engine.worker.counting import begins_anew, counted
from mlpperf.engine.worker.runner import PreparedRunner, Runner

SOURCE = """
import asyncio
import functools


def straight(a):
    b = 2 * a
    return a + b


def numbers(n):
    for i in range(n):
        {planted}yield i


def recursive(n):
    return n and 1 + recursive(n - 1)


def by_callback(n):
    return sorted(range(n), key=lambda one: -one)


@functools.lru_cache(None)
def cached(n):
    return sum(numbers(n))


async def waits(n):
    await asyncio.sleep(0)
    return n


class Thing:
    def __init__(self, n):
        self.n = n

    def __lt__(self, other):
        return self.n < other.n


def work(n=40):
    sum(numbers(n)), recursive(n), by_callback(n), cached(n), straight(n)
    sorted(map(Thing, range(n)))
    [one for one in numbers(n)]
    return [straight(one) for one in {{"some", "names", "in", "a", "set", f"{{n}}"}}]


def asynchronous():
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(waits(3))
    finally:
        loop.close()
"""


pytestmark = pytest.mark.usefixtures("like_a_worker")


def module(file: Path, planted: str = "") -> dict[str, Any]:
    """The names of a module in its own file, with a statement planted in its generator."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(SOURCE.format(planted=planted), encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(file.read_text(encoding="utf-8"), file, "exec"), names)
    return names


def counts_of(call: Callable[[], object], root: Path) -> Counts:
    """Counts of a call that has been called before."""
    call()
    return counted(Runner(call), str(root))


def by_name(counts: Counts) -> dict[str, int]:
    """Instructions of each function, by its name."""
    return {name.rpartition(":")[2]: one.bytecodes for name, one in counts.functions.items()}


def test_every_instruction_counts_once(tmp_path: Path) -> None:
    """But for those that only mark a place, such as the beginning of a function."""
    straight = module(tmp_path / "a.py")["straight"]
    counts = counts_of(lambda: straight(3), tmp_path)
    expected = [one for one in dis.get_instructions(straight) if one.opname != "RESUME"]
    assert by_name(counts) == {"straight": len(expected)}
    assert counts.functions["a.py:6:straight"].calls == 1
    assert not counts.not_counted


@pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="Python has both ways")
def test_both_ways_to_count_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = module(tmp_path / "a.py")["work"]
    traced = counts_of(work, tmp_path)
    monkeypatch.setattr(counting, "by_trace", counting.by_monitoring)
    assert by_name(counts_of(work, tmp_path)) == by_name(traced)


@pytest.mark.parametrize("name", ["work", "asynchronous"])
def test_equal_code_executes_the_same(tmp_path: Path, name: str) -> None:
    base = counts_of(module(tmp_path / "base" / "a.py")[name], tmp_path / "base")
    head = counts_of(module(tmp_path / "head" / "a.py")[name], tmp_path / "head")
    assert not base.not_counted
    assert base.bytecodes == head.bytecodes > 50
    assert (base.calls, base.c_calls) == (head.calls, head.c_calls)
    assert base.operations == head.operations != ""
    assert by_name(base) == by_name(head)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_equal_code_executes_the_same_whatever_the_hash_seed(tmp_path: Path, seed: str) -> None:
    code = f"""
from pathlib import Path
from {__name__.rpartition(".")[2]} import counts_of, module
folders = [Path({str(tmp_path)!r}, name) for name in "ab"]
one, two = (counts_of(module(folder / "a.py")["work"], folder) for folder in folders)
assert one.bytecodes == two.bytecodes > 1000 and one.c_calls == two.c_calls
assert one.operations == two.operations
"""
    environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_a_statement_is_attributed_to_its_function(tmp_path: Path) -> None:
    base = counts_of(module(tmp_path / "a.py")["work"], tmp_path)
    head = counts_of(module(tmp_path / "b.py", "i += 0; ")["work"], tmp_path)
    one, two = by_name(base), by_name(head)
    more = {name: two[name] - one[name] for name in one if two[name] != one[name]}
    assert set(more) == {"numbers"}
    assert head.bytecodes - base.bytecodes == more["numbers"] > 0


def test_calls_of_c_are_counted_by_name(tmp_path: Path) -> None:
    text = "a b c"
    counts = counts_of(lambda: [len(text), len(text), text.split()], tmp_path)
    assert counts.c_calls == {"len": 2, "str.split": 1}
    by_callback = module(tmp_path / "a.py")["by_callback"]
    executed = counts_of(lambda: by_callback(5), tmp_path).functions
    assert {name: one.calls for name, one in executed.items()} == {
        "a.py:20:by_callback": 1,
        "a.py:21:<lambda>": 5,
    }


OPERATIONS = """
import math


def work(a=3.0, b=2.0):
    for one in range(3):
        c = a + b if one else a
    return [math.floor(c), c < a, list((1, 2)), one in {1, 2, "x"}]
"""


def operations_of(source: str, file: Path) -> str:
    """The digest of a call of `work`."""
    file.parent.mkdir()
    file.write_text(source, encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(source, file, "exec"), names)
    counts = counts_of(names["work"], file.parent)
    assert not counts.not_counted
    assert counts.operations
    return counts.operations


@pytest.mark.parametrize(
    ("now", "then", "same"),
    [
        ("", "", True),
        ("a + b", "a ** b", False),
        ("c < a", "c > a", False),
        ("floor", "ceil", False),
        ("list(", "set(", False),
        ("range(3)", "range(4)", False),
        ("if one", "if not one", False),
        ("(1, 2)", "(1, 3)", False),
        ('"x"', '"y"', False),
        ("import math\n", "import math  # and more\n\nMORE = 3\n", True),
        ("one", "number", True),
        ("return [", "return '' if c is None else [", False),
    ],
)
def test_as_many_instructions_are_the_same_only_if_they_do_the_same(
    tmp_path: Path, now: str, then: str, same: bool
) -> None:
    base = operations_of(OPERATIONS, tmp_path / "base" / "a.py")
    head = operations_of(OPERATIONS.replace(now, then), tmp_path / "head" / "a.py")
    assert (base == head) is same


def test_a_function_that_was_generated_is_known_by_what_it_does(tmp_path: Path) -> None:
    """The file of such functions is no file, and says nothing."""
    digests = []
    for sign in "++-":
        names: dict[str, Any] = {}
        exec(compile(f"def generated(a):\n    return a {sign} 1", "<string>", "exec"), names)
        generated = names["generated"]
        digests.append(counts_of(lambda made=generated: made(3), tmp_path).operations)
    assert digests[0] == digests[1] != digests[2]


def test_calls_of_one_version_that_do_other_things_have_no_digest(tmp_path: Path) -> None:
    signs = itertools.cycle([lambda: 1 + len(""), lambda: 1 - len("")])
    counts = counts_of(lambda: next(signs)(), tmp_path)
    assert counts.bytecodes > 0
    assert not counts.operations


def test_what_prepares_a_call_is_not_counted(tmp_path: Path) -> None:
    names = module(tmp_path / "a.py")
    steps: list[str] = []

    def prepare() -> Callable[[], Any]:
        names["recursive"](9)
        steps.append("prepared")
        return lambda: names["straight"](1)

    counts = counted(PreparedRunner(prepare, lambda: steps.append("finished")), str(tmp_path))
    assert set(by_name(counts)) == {"straight"}
    assert steps == ["prepared", "finished"] * 4


def test_calls_that_differ_are_not_repeatable(tmp_path: Path) -> None:
    rng = random.Random(1)
    counts = counts_of(lambda: [None for _ in "x" * rng.randrange(1000)], tmp_path)
    assert counts == Counts(not_counted="two calls of one version do not execute the same")


def test_a_first_call_that_fills_a_cache_is_known_however_short_it_is(tmp_path: Path) -> None:
    names = module(tmp_path / "a.py")
    assert begins_anew(Runner(functools.partial(names["cached"], 3)))
    assert not begins_anew(Runner(functools.partial(names["cached"], 3)))
    assert begins_anew(PreparedRunner(lambda: functools.partial(names["cached"], 4)))
    assert not begins_anew(Runner(functools.partial(names["recursive"], 5)))
    assert begins_anew(Runner(with_its_own_tracer))  # it is unknown


def in_a_thread() -> None:
    """Something that is executed elsewhere."""
    thread = threading.Thread(target=len, args=("",))
    thread.start()
    thread.join()


def with_its_own_tracer() -> None:
    """A tracer instead of ours."""
    sys.settrace(lambda *_: None)
    sys.settrace(None)


def with_its_own_profiler() -> None:
    """The same with a profiler."""
    sys.setprofile(lambda *_: None)
    sys.setprofile(None)


def in_a_process() -> None:
    """A process of its own."""
    subprocess.run([sys.executable, "-c", ""], check=True)


def in_an_interpreter() -> None:
    """Another interpreter of this process."""
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    interpreters = importlib.import_module(name)
    interpreters.destroy(interpreters.create())


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (in_an_interpreter, "it runs another interpreter"),
        (in_a_thread, "it runs threads"),
        (with_its_own_tracer, "it traces what is run"),
        (with_its_own_profiler, "it traces what is run"),
        (in_a_process, "it starts a process"),
    ],
)
def test_what_cannot_be_seen_is_not_counted(
    tmp_path: Path, call: Callable[[], None], why: str
) -> None:
    assert counted(Runner(call), str(tmp_path)).not_counted == why
    assert sys.gettrace() is None
    assert not counts_of(lambda: len(""), tmp_path).not_counted


def test_nothing_is_counted_while_threads_run(tmp_path: Path) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert counts_of(lambda: len(""), tmp_path).not_counted == "it runs threads"
    finally:
        end.set()
        thread.join()


def test_what_a_compiler_hides_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", sys)
    assert counts_of(lambda: len(""), tmp_path).not_counted.startswith("numba compiles functions")


def test_a_call_that_fails_when_it_is_counted_has_no_counts(tmp_path: Path) -> None:
    def fails() -> None:
        raise RecursionError

    counts = counted(Runner(fails), str(tmp_path))
    assert counts.not_counted == "it raised RecursionError when it was counted"
    assert sys.gettrace() is sys.getprofile() is None
