"""Exit code 1 is a verdict: whatever else happens to the command, it ends with 2 and a sentence."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mlpperf
from mlpperf.cli import main
from mlpperf.engine.files import own_folder

Ended = Callable[..., tuple[int, str, str]]
Odd = Callable[[str], tuple[int, str, str]]
PATIENCE = 600.0  # seconds that only a process that hangs takes
# The command, with one of its commands replaced by a function of some lines.
START = """
import os, sys, signal, time
from mlpperf.cli import app as module
{extra}
def command() -> None:
    {body}
module.app.command("odd")(command)
from mlpperf.cli.main import main
sys.argv = ["mlpperf", "odd"]
main()
"""


def started(body: str, extra: str = "", **options: Any) -> subprocess.Popen[bytes]:
    code = START.format(body=body, extra=extra)
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([sys.executable, "-c", code], **given)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Ended]:
    """Run the command in this process; gives its exit code, its output and its messages."""
    names = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if os.name != "nt" else [])]
    handlers = {name: signal.getsignal(name) for name in names}
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mlpperf", *words])
        with pytest.raises(SystemExit) as ended:
            main.main()
        code = ended.value.code
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    yield run
    for name, handler in handlers.items():
        signal.signal(name, handler)


@pytest.fixture
def odd(here: Ended, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[int, str, str]]:
    """The same for a command of these lines."""
    from mlpperf.cli import app as module

    def run(body: str) -> tuple[int, str, str]:
        names: dict[str, Any] = {"__name__": "odd", "os": os, "sys": sys, "module": module}
        exec(f"def command() -> None:\n    {body}", names)
        alone = module.typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command("odd")(names["command"])
        commands = {**module.get_command(module.app).commands, "odd": module.get_command(alone)}
        monkeypatch.setattr(module._Commands, "get_command", lambda self, ctx, name: commands[name])
        return here("odd")

    return run


def started_unread(stream: str, body: str, **options: Any) -> subprocess.Popen[bytes]:
    """The same, but `body` runs when nobody reads `stream` any more."""
    process = started(f"sys.stdin.read(); {body}", stdin=subprocess.PIPE, **options)
    getattr(process, stream).close()
    assert process.stdin
    process.stdin.close()
    return process


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, (out or b"").decode(), (errors or b"").decode()


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize(
    ("body", "fragment"),
    [
        ("raise ValueError('odd \\x1b[31m and\\nlong')", "ValueError: odd ?[31m and long"),
        ("raise ValueError('\\udcff')", "ValueError: ?"),
        ("(f := lambda: f())()", "RecursionError: maximum recursion depth"),
        ("raise MemoryError", "MemoryError"),
        ("open('/nowhere/file')", "No such file or directory: '/nowhere/file'"),
        ("open('x\\0')", "ValueError: embedded null"),
        ("import mlpperf.nonsense", "No module named 'mlpperf.nonsense'"),
        ("raise type('Odd', (BaseException,), {})('x')", "Odd: x"),
        ("assert False", "AssertionError"),
    ],
)
def test_what_nobody_foresaw_is_2_and_a_sentence(body: str, fragment: str, odd: Odd) -> None:
    code, out, said = odd(body)
    assert code == 2
    assert out == ""
    assert said.startswith("mlpperf: Unexpected error: ")
    assert len(said.splitlines()) == 1
    assert fragment in said
    file = own_folder() / "traceback.txt"
    assert said.endswith(f"The traceback is in {file}.\n")
    assert "Traceback (most recent call last)" in file.read_text(encoding="utf-8")


def test_without_a_place_for_the_traceback_the_sentence_is_still_there(
    tmp_path: Path, odd: Odd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = own_folder()
    shutil.rmtree(own)
    own.touch()
    code, _, said = odd("raise ValueError('odd')")
    assert (code, said) == (2, "mlpperf: Unexpected error: ValueError: odd.\n")


@pytest.mark.parametrize("given", ["1", "'a sentence'", "0", ""])
def test_a_package_that_ends_the_process_gives_no_verdict(given: str, odd: Odd) -> None:
    code, _, said = odd(f"sys.exit({given})")
    assert code == 2
    assert "a package ended the command" in said


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_verdict_is_kept(code: int, odd: Odd) -> None:
    assert odd(f"print('said'); raise module.typer.Exit({code})") == (code, "said\n", "")


def test_a_command_that_comes_to_its_end_is_0(odd: Odd) -> None:
    assert odd("print('said'); return 1") == (1, "said\n", "")
    assert ended(started("print('said')")) == (0, "said\n", "")


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["compare", *"abc"], ["compare", "--nonsense", "x"]]
)
def test_options_that_are_wrong_are_2(arguments: list[str], here: Ended) -> None:
    code, out, said = here(*arguments)
    assert (code, out) == (2, "")
    assert "Usage: " in said
    assert "Traceback" not in said


LONG = "print('x' * 10_000_000); raise module.typer.Exit(1)"
SHORT = "print('x'); raise module.typer.Exit(1)"


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize("body", [LONG, SHORT])
def test_output_that_nobody_reads_is_no_verdict(body: str) -> None:
    with started_unread("stdout", body) as process:
        assert process.stderr
        said = process.stderr.read().decode()
    assert process.returncode == 2
    assert said.startswith("mlpperf: Not all of the output could be written")
    assert len(said.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize("body", [LONG, SHORT])
def test_output_that_does_not_fit_is_no_verdict(body: str) -> None:
    with Path("/dev/full").open("wb") as full:
        code, _, said = ended(started(body, stdout=full))
    assert code == 2
    assert "could be written (No space left on device)" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(("says", "code"), [("", 1), ("print('x', file=sys.stderr); ", 2)])
def test_messages_that_nobody_reads_are_no_verdict_if_there_are_any(says: str, code: int) -> None:
    with started_unread("stderr", says + SHORT, stdout=subprocess.DEVNULL) as process:
        pass
    assert process.returncode == code


@pytest.mark.parametrize(("closed", "code"), [(0, 1), (1, 2), (2, 1)])
def test_a_closed_stream(closed: int, code: int) -> None:
    """Nothing that is opened later gets its number."""
    body = "print(os.open(os.devnull, 0) > 2); raise module.typer.Exit(1)"
    command = [sys.executable, "-c", START.format(body=body, extra="")]
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}{"<" if not closed else ">"}&-', "sh", *command],
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert (done.stdout == "True\n") == (closed != 1)
    assert ("Standard output is closed" in done.stderr) == (closed == 1)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_an_encoding_that_lacks_a_character_is_no_reason_to_fail(encoding: str) -> None:
    said = "µ ± ✅ 𝄞 \udcff"
    text = repr(json.dumps(said, ensure_ascii=False))
    body = f"print({text}); print({text}, file=sys.stderr); raise module.typer.Exit(1)"
    body = body.encode("ascii", "backslashreplace").decode()
    process = started(body, env={**os.environ, "PYTHONIOENCODING": encoding})
    for written in process.communicate(timeout=PATIENCE):
        assert json.loads(written.decode(encoding)) == said
    assert process.returncode == 1


def is_interrupted(process: subprocess.Popen[bytes], by: str) -> None:
    """A signal ends a process that has printed a line, as Ctrl-C does."""
    assert process.stdout
    process.stdout.readline()
    process.send_signal(getattr(signal, by))
    assert ended(process)[::2] == (2, "mlpperf: Interrupted; what was finished is kept.\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize(
    ("where", "name"),
    [
        *(("in the command", name) for name in ("SIGINT", "SIGTERM", "SIGHUP")),
        ("in its import", "SIGTERM"),
        ("before it", "SIGTERM"),
    ],
)
def test_a_signal_ends_like_ctrl_c(name: str, where: str) -> None:
    wait = "print('waits', flush=True); time.sleep(600)"
    command = f"""
import sys, time
from typer.core import TyperGroup
from mlpperf.cli import main
def ran():
    {wait}
{"main._ran" if where == "in its import" else "TyperGroup.make_context"} = lambda *_, **__: ran()
main.main()
"""
    if where == "in the command":
        process = started(wait)
    else:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen([sys.executable, "-c", command], **pipes)
    is_interrupted(process, name)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_a_signal_in_code_made_from_text_ends_a_module_like_ctrl_c(tmp_path: Path) -> None:
    wait = """exec("print('waits', flush=True); time.sleep(600)")"""  # as in a new data class
    (tmp_path / "odd.py").write_text(START.format(body=wait, extra=""), "utf-8")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-m", "odd"], cwd=tmp_path, **pipes)
    is_interrupted(process, "SIGTERM")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_a_signal_is_not_lost_where_python_ignores_exceptions() -> None:
    waits = "print('waits', flush=True); time.sleep(600)"  # as a callback of an import may
    extra = f"class Odd:\n    def __del__(self):\n        {waits}\n"
    process = started("Odd(); time.sleep(600)", extra)
    is_interrupted(process, "SIGHUP")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_nohup_stays_in_force() -> None:
    body = "os.kill(os.getpid(), signal.SIGHUP); print('goes on')"
    command = [sys.executable, "-c", START.format(body=body, extra="")]
    ignoring = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *command]
    done = subprocess.run(ignoring, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "goes on\n")


@pytest.mark.usefixtures("temporary")
def test_a_damaged_installation_is_2(tmp_path: Path) -> None:
    package = tmp_path / "mlpperf"
    source = Path(mlpperf.__file__).parent
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("articles", "report"))
    # From the last to be imported to the first, each damaged in one of two ways.
    for damaged, text in (
        ("cli/compare.py", "not Python"),
        ("engine/words.py", None),
        ("errors.py", "not Python"),
        ("errors.py", None),
    ):
        if text is None:
            (package / damaged).unlink()
        else:
            (package / damaged).write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", "from mlpperf.cli.main import main; main()", "list"]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=PATIENCE
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("mlpperf: Unexpected error: ")
        assert len(done.stderr.splitlines()) == 1


# --- the first minute -----------------------------------------------------------------------------


def typed(*arguments: str, folder: Path | None = None, **variables: str) -> tuple[int, str, str]:
    """The command, as a shell starts it."""
    done = subprocess.run(
        [sys.executable, "-m", "mlpperf", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **variables},
    )
    return done.returncode, done.stdout, done.stderr


def test_alone_it_shows_three_commands_and_concludes_nothing(tmp_path: Path, project: Any) -> None:
    code, out, errors = typed(folder=tmp_path)
    assert (code, errors) == (2, "")
    shown = [line.split()[:2] for line in out.splitlines() if line.startswith("  ")]
    assert shown == [["mlpperf", command] for command in ("init", "compare", "report")]
    assert "mlpperf compare main " in out
    project.git("branch", "-m", "main", "trunk")
    _, out, _ = typed(folder=project.folder)
    assert "is the working tree slower than trunk?" in out


def test_the_version_names_the_commit_of_a_clone_and_of_nothing_else(
    monkeypatch: pytest.MonkeyPatch, project: Any
) -> None:
    from mlpperf.cli import version

    monkeypatch.setattr(version.metadata, "distribution", lambda _: NotFromGit)
    project.write("version.py", "")
    file = project.folder / "version.py"
    monkeypatch.setattr(version, "__file__", str(file))
    shown = f"mlpperf {mlpperf.__version__} ({{}}Python {version.platform.python_version()})"
    assert version.version() == shown.format(""), "installed below a repository of somebody else"
    project.commit()
    commit = project.git("rev-parse", "HEAD")[:10]
    assert version.version() == shown.format(f"commit {commit}, ")
    file.write_text("1")
    assert version.version() == shown.format(f"commit {commit} with changed files, ")
    file.unlink()
    project.git("rm", "--cached", "--quiet", "version.py")
    monkeypatch.setattr(version.metadata, "distribution", lambda _: FromGit)
    assert version.version() == shown.format("commit 0123456789, ")
    assert typed("--version")[1].startswith(f"mlpperf {mlpperf.__version__} (")


class NotFromGit:
    @staticmethod
    def read_text(name: str) -> str | None:
        return None


class FromGit:
    @staticmethod
    def read_text(name: str) -> str:
        return json.dumps({"vcs_info": {"vcs": "git", "commit_id": "0123456789abcdef"}})


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("mlpperf comp", {"compare"}),
        ("mlpperf compare v1", {"v1.0"}),
        ("mlpperf compare v1.0 fea", {"feature"}),
        ("mlpperf bisect --good v", {"v1.0"}),
        ("mlpperf compare --verb", {"--verbose"}),
        ("mlpperf compare nothing", set()),
    ],
)
def test_a_shell_completes_commands_options_and_revisions(
    words: str,
    completed: set[str],
    project: Any,
    here: Ended,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project.git("tag", "v1.0")
    project.git("branch", "feature")
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    monkeypatch.setenv("_MLPPERF_COMPLETE", "complete_bash")
    code, out, errors = here()
    assert (code, errors) == (0, "")
    assert set(out.split()) == completed


def test_the_script_for_a_shell_is_printed_and_other_questions_are_2() -> None:
    asked = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    code, out, _ = typed("--show-completion", "bash", **asked)
    assert code == 0
    assert "complete -o default -F _mlpperf_completion mlpperf" in out
    code, out, errors = typed(_MLPPERF_COMPLETE="complete_nonsense")
    assert (code, out) == (2, "")
    assert "Traceback" not in errors
