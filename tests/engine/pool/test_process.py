"""Processes that answer in lines of JSON: what they say counts, however they end."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlpperf.engine.pool import process
from mlpperf.engine.pool.process import LateError, Process, WorkerError
from mlpperf.engine.worker.protocol import Task
from mlpperf.errors import MlpperfError

LONG = "import time; time.sleep(600)"
LINE = (
    f"sys.path.append({process.HERE!r})",
    "from mlpperf.engine.worker.lines import Line, begins, may_take, turn_of",
    "line = Line()",
)


def worker(*lines: str, patience: float | None = 60.0, **where: Any) -> Process:
    code = "\n".join(("import json, os, sys, time", *map(textwrap.dedent, lines)))
    return Process(["-c", code], patience=patience, **where)


def heard(of: Process) -> tuple[list[object], str]:
    """What it answers, and why it does not go on."""
    answers: list[object] = []
    try:
        answers += (answer["n"] for answer in of)
    except WorkerError as reason:
        return answers, str(reason)
    return answers, ""


def ended(*pids: int) -> bool:
    """Whether these processes end, which may take a moment."""
    end = time.monotonic() + 120
    while any(_lives(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.01)
    return not any(map(_lives, pids))


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --- answers --------------------------------------------------------------------------------------


def test_answers_come_one_by_one_as_they_are_asked_for() -> None:
    with worker(*LINE, "while n := line.ask(): line.send({'n': 2 * n})", "line.end()") as doubling:
        for n in (3, 21):
            doubling.write(str(n))
            assert next(doubling) == {"n": 2 * n}
        doubling.process.stdin.close()
        assert next(doubling, None) is None


@pytest.mark.parametrize("exit", ["os._exit(0)", "sys.exit()", "pass"])
def test_without_the_last_answer_it_has_ended_early_whatever_its_exit_code(exit: str) -> None:
    with worker(*LINE, "line.send({'n': 1})", exit) as early:
        assert heard(early) == ([1], "A process ended early and printed nothing")


def test_a_line_that_was_cut_off_is_no_answer() -> None:
    # In pieces, which are not lines.
    say = "for part in ('{', '\"n\": 1}\\n{\"n\"', ': 2}\\n{\"n\": 3'):"
    with worker(f"{say} os.write(1, part.encode()); time.sleep(0.05)") as cut:
        assert heard(cut) == ([1, 2], "A process ended early and printed nothing")


def test_what_others_write_on_the_line_is_no_answer_and_damages_none() -> None:
    noise = "os.write(line._replies, b'noise {\\xff\\n[1]\\n7\\nnull\\n' + b'[' * 100_000)"
    with worker(*LINE, noise, "line.send({'n': 1})", noise, "line.end()") as noisy:
        assert heard(noisy) == ([1], "")


def test_an_answer_that_was_damaged_is_missed() -> None:
    damage = "os.write(line._replies, b'{\"n\": 2'); line._sent += 1"
    with worker(*LINE, "line.send({'n': 1})", damage, "line.end()") as damaged:
        given = "A process gave answers that cannot be read and printed nothing"
        assert heard(damaged) == ([1], given)


def test_an_answer_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LONGEST_ANSWER", 1 << 18)
    with worker("while True: os.write(1, b'x' * 4096)") as endless:
        assert heard(endless) == ([], "A process gave an answer without an end and printed nothing")


def test_texts_are_short_and_fit_for_a_line_and_names_stay_as_they_are() -> None:
    text = r"'\x1b[2J\r\n' + '\udc80 a\n' * 3 + 'x' * 20_000_000"
    answer = f"{{'series': ['\\udc80' * 400], 'failed': {{'head': {text}}}, 'many': [{text}, 1]}}"
    with worker(*LINE, f"line.send({answer})", "line.end()") as rude:
        (given,) = rude
    assert given["series"] == ["\udc80" * 400]
    for shown in (given["failed"]["head"], given["many"][0]):
        assert shown.startswith("\N{REPLACEMENT CHARACTER}[2J \N{REPLACEMENT CHARACTER} a ")
        assert len(shown) == process.LONGEST_TEXT
        assert shown.isprintable()
    assert given["many"][1] == 1
    json.dumps(given["failed"], ensure_ascii=False).encode()


# --- ends -----------------------------------------------------------------------------------------


def test_one_that_fails_says_why_also_after_it_has_closed_its_output() -> None:
    lines = ("print('{\"n\": 1}', flush=True); os.close(1); time.sleep(0.5)",)
    with worker(*lines, "sys.exit('mlpperf: the reason')") as failing:
        given = "A process ended early; its last output: the reason"
        assert heard(failing) == ([1], given)
        assert heard(failing) == ([], "")  # once is enough


def test_one_that_says_nothing_at_all_fails_too() -> None:
    with worker("os._exit(7)") as failing:
        failing.process.wait()
        failing.write("nobody reads this")
        assert heard(failing) == ([], "A process ended early and printed nothing")
        assert failing.process.returncode == 7


def test_one_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    (tmp_path / "python").touch()
    for python, why in ((tmp_path / "python", "Permission denied"), ("/nowhere", "No such file")):
        with Process(["-c", ""], str(python)) as none:
            message = heard(none)[1]
            assert f"ended early; its last output: {python} cannot be run: {why}" in message


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_one_that_is_killed_has_said_what_it_said(by: int) -> None:
    with worker("print('{\"n\": 1}', flush=True)", f"os.kill(os.getpid(), {by:d})") as killed:
        message = f"A process was killed by signal {by:d} and printed nothing"
        assert heard(killed) == ([1], message)


@pytest.mark.parametrize(
    ("closed", "message"),
    [("", "showed no sign of life for 0.2 s"), ("os.close(1)", "closed its line and went on")],
)
def test_one_that_hangs_is_given_up_and_killed(closed: str, message: str) -> None:
    """Silent, or, because a thread waits for something, without an end."""
    with worker("print('{\"n\": 1}', flush=True)", closed, LONG) as hanging:
        assert next(hanging) == {"n": 1}
        hanging.patience = 0.2
        assert heard(hanging) == ([], f"A process {message} and printed nothing")
    assert hanging.process.returncode == -signal.SIGKILL
    assert not psutil.pid_exists(hanging.process.pid)


def test_one_for_which_there_is_no_time_left_is_late() -> None:
    with worker("print('{\"n\": 1}', flush=True)", LONG) as late:
        assert next(late) == {"n": 1}
        late.until = time.monotonic()
        with pytest.raises(LateError, match="A process had no time left"):
            next(late)
    assert not psutil.pid_exists(late.process.pid)


def test_patience_is_that_of_all_processes_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE", 123.0)
    for given, used in ((None, 123.0), (4.0, 4.0)):
        with worker(LONG, patience=given) as waiting:
            assert waiting.patience == used


def test_what_says_that_it_takes_longer_is_waited_for_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = ("begins(('t.py', '', 'f'))", "may_take(60)", "time.sleep(0.6)", "line.send({'n': 1})")
    last = ("turn_of(b'head'.ljust(16))", "begins(('t.py', '', 'g'))", "may_take(0.5)", LONG)
    with worker(*LINE, "begins()", "line.send({'n': 0})", *steps, *last) as slow:
        assert next(slow) == {"n": 0}
        while not slow._doing().get("series"):
            time.sleep(0.01)
        slow.patience = 0.2
        assert next(slow) == {"n": 1}
        slow.patience = 60.0
        monkeypatch.setattr(process, "GRACE", 0.1)
        with pytest.raises(WorkerError) as raised:
            next(slow)
    assert raised.value.series == ("t.py", "", "g")
    assert raised.value.side == "head"
    assert str(raised.value).startswith("A process showed no sign of life for 0.6 s (head t.py g)")


def test_one_that_does_not_read_is_given_up_too() -> None:
    with worker(LONG, patience=0.3) as deaf:
        deaf.write("x" * 1_000_000)
        assert "showed no sign of life for 0.3 s" in heard(deaf)[1]


def test_a_noise_on_the_line_is_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.1)
    noise = "while not time.sleep(0.01): os.write(line._replies, b'noise\\n')"
    with worker(*LINE, "line.send({'n': 1})", noise) as noisy:
        assert next(noisy) == {"n": 1}
        noisy.patience = 0.3
        assert "showed no sign of life for 0.3 s" in heard(noisy)[1]


def test_until_then_and_no_longer_whatever_it_says() -> None:
    with worker(*LINE, "begins()", "may_take(600)", "line.send({'n': 0})", LONG) as slow:
        assert next(slow) == {"n": 0}
        slow.until = time.monotonic() + 0.2
        assert "had no time left" in heard(slow)[1]


def test_what_it_was_doing_is_known_also_when_it_is_gone() -> None:
    doing = ("begins(('t.py', '', 'f'))", "turn_of(b'base'.ljust(16))", "os.kill(os.getpid(), 9)")
    with worker(*LINE, *doing) as dead, pytest.raises(WorkerError) as raised:
        next(dead)
    assert (raised.value.series, raised.value.side) == (("t.py", "", "f"), "base")
    assert "was killed by signal 9 (base t.py f)" in str(raised.value)


# --- what it has started --------------------------------------------------------------------------

# Each prints the number of what is to be gone with the process, which goes on itself.
LEAVES = {
    "child": "p = subprocess.Popen(['sleep', '600']); n = p.pid",
    "holds every pipe": """
        n = os.fork()
        if not n: time.sleep(600)
    """,
    "ignores SIGTERM, SIGHUP, SIGINT": """
        n = os.fork()
        if not n:
            for by in (1, 2, 15): signal.signal(by, signal.SIG_IGN)
            time.sleep(600)
    """,
    "daemon in a session of its own": """
        r, w = os.pipe()
        if not os.fork():
            os.setsid()
            if not os.fork():
                os.write(w, b"%d" % os.getpid())
                time.sleep(600)
            os._exit(0)
        n = int(os.read(r, 99)); os.wait()
    """,
    "pool that nobody shuts down": """
        from concurrent.futures import ProcessPoolExecutor
        pool = ProcessPoolExecutor(1); n = pool.submit(os.getpid).result()
    """,
}


@pytest.mark.parametrize("ends", ["line.end()", "os._exit(3)", LONG, "raise ValueError"])
@pytest.mark.parametrize("leaves", LEAVES)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere orphans cannot be adopted")
def test_what_it_has_started_ends_with_it_at_once(
    leaves: str, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for it in vain waits for minutes, which the slowest machine does not need."""
    monkeypatch.setattr(process, "ENDING", 300.0)
    lines = ("import signal, subprocess", *LINE, LEAVES[leaves], "line.send({'n': n})", ends)
    with worker(*lines) as leaving:
        pid = next(leaving)["n"]
        start = time.monotonic()
        if ends != LONG:
            assert heard(leaving)[1].startswith("" if "end" in ends else "A process ended early")
    assert time.monotonic() - start < 200
    assert ended(pid)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_whoever_has_started_it_and_nothing_else_does(by: int) -> None:
    """Also if that is killed, and cannot end anything any more."""
    inner = "\n".join(("import os, sys, time, signal, subprocess", *LINE))
    inner += textwrap.dedent(LEAVES["daemon in a session of its own"])
    inner += "\nline.send({'pids': [os.getpid(), n]})\ntime.sleep(600)"
    outer = "import sys, time, subprocess\nfrom mlpperf.engine.pool.process import Process\n"
    outer += "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    outer += f"print(other.pid, *next(Process(['-c', {inner!r}]))['pids'], flush=True)\n{LONG}"
    with subprocess.Popen([sys.executable, "-c", outer], stdout=-1, text=True) as judge:
        assert judge.stdout
        other, *pids = map(int, judge.stdout.readline().split())
        assert not ended_within(0.2, *pids)
        judge.send_signal(by)
    assert ended(*pids)
    assert _lives(other)
    os.kill(other, signal.SIGKILL)


def ended_within(seconds: float, *pids: int) -> bool:
    time.sleep(seconds)
    return not all(map(_lives, pids))


def test_a_fork_that_goes_on_in_our_code_has_no_say() -> None:
    with worker(*LINE, "os.fork(); line.send({'n': 1}); time.sleep(0.2); line.end()") as forked:
        assert heard(forked) == ([1], "")


def test_a_process_that_it_starts_has_neither_line_nor_page() -> None:
    look = (
        "import os; print([f for f in os.listdir('/proc/self/fd')], 'MLPPERF_PAGE' in os.environ)"
    )
    lines = ("import subprocess", *LINE)
    run = f"subprocess.run([sys.executable, '-c', {look!r}], close_fds=False, capture_output=True)"
    with worker(*lines, f"line.send({{'n': {run}.stdout.decode()}})", "line.end()") as starting:
        ((message,), why) = heard(starting)
    # Its own three, and that of the folder.
    assert (message, why) == ("['0', '1', '2', '3'] False", "")


# --- what it may take -----------------------------------------------------------------------------


def test_of_what_it_prints_the_last_is_kept() -> None:
    flood = "for _ in range(300): os.write(2, b'x' * 2**20)"
    with worker(*LINE, flood, "print('the last')", "sys.exit('mlpperf: message')") as loud:
        assert heard(loud)[1].endswith("its last output: message")
        assert len(loud._printed) <= process.TAIL
    with worker(*LINE, "print('. ..', flush=True)", "os._exit(1)") as dots:
        assert heard(dots)[1].endswith("and printed nothing")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere data are not limited")
def test_memory_ends_for_the_process_before_it_does_for_the_machine() -> None:
    take = "try: bytearray(int(sys.argv[1]))\nexcept MemoryError: line.send({'n': 'no more'})"
    score = "line.send({'n': open('/proc/self/oom_score_adj').read()})"
    code = "\n".join(("import os, sys", *LINE, score, take, "line.end()"))
    with Process(["-c", code, str(psutil.virtual_memory().total)]) as greedy:
        assert heard(greedy) == (["500", "no more"], "")


def test_too_few_file_descriptors_are_one_sentence() -> None:
    code = "import resource\nfrom mlpperf.engine.pool.process import Process\nkept = []\n"
    code += "resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))\n"
    code += "while True: kept.append(Process(['-c', 'import time; time.sleep(60)']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"{MlpperfError.__module__}.MlpperfError: There are too few file desc")


def test_its_home_goes_with_it_and_the_current_folder_holds_no_modules(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "random.py").write_text("raise SystemExit('imported')")
    (home / "closed/inner").mkdir(parents=True)
    (elsewhere := tmp_path / "elsewhere").mkdir(mode=0o500)
    (home / "link").symlink_to(elsewhere)
    for folder in (home / "closed/inner", home / "closed"):
        folder.chmod(0o000)
    with worker(*LINE, "line.send({'n': os.getcwd()})", "line.end()", home=home) as housed:
        assert heard(housed) == ([str(home)], "")
    assert not home.exists()
    assert elsewhere.stat().st_mode & 0o777 == 0o500
    here = Path.cwd()
    os.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('imported')")
    (tmp_path / "tempfile.py").write_text("raise SystemExit('imported')")
    try:
        with process.TaskWorker(Task("none", "pytest")) as ours:
            assert "KeyError" in heard(ours)[1]
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"message": "Refusal", "why": "An input was changed."}, r"An input was changed\."),
        ({"message": "Touch", "series": ["a", "b"], "why": ""}, "gave answers that cannot be read"),
        ({"n": 1}, "gave answers that cannot be read"),
        ({"message": "Done", "seconds": 1}, "gave an answer to another task"),
    ],
)
def test_a_task_worker_gives_messages_only(
    answer: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "START", f"print({json.dumps(json.dumps(answer))})")
    with process.TaskWorker(Task("time", "asv")) as ours, pytest.raises(MlpperfError, match=why):
        next(ours)
