"""Entry point of the `mlpperf` command, and its exit code.

0 and 1 are the verdicts of a command that ended normally and wrote all of its output. Everything
else is 2, with a sentence. Only the standard library is imported at module level, so that this
holds for a damaged installation, too.
"""

from __future__ import annotations

import _thread
import codecs
import contextlib
import errno
import os
import signal
import sys
import threading
import traceback
import warnings
from typing import Any, NoReturn

# Typer ends the process where a shell asks for completions, or the user for its script.
COMPLETE, COMPLETION = "_MLPPERF_COMPLETE", ("--install-completion", "--show-completion")
NOT_WRITTEN = "Not all of the output could be written"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk is full, or a limit is reached
INTERRUPTED = 130  # Typer's code if it is interrupted before the command begins
LONGEST = 500  # characters of an exception's message that are shown


def main() -> NoReturn:
    """Entry point of the `mlpperf` command."""
    code, sentence = 2, ""
    try:
        sentence = _prepared()
        if not sentence:
            code = _ran()
    except KeyboardInterrupt:
        sentence = "Interrupted; what was finished is kept."
    except BaseException as reason:
        sentence = _sentence(reason)
    for name in _signals():  # a second signal ends Python at once
        signal.signal(name, signal.SIG_DFL)
    if why := _closed(sys.stdout):
        code, sentence = 2, sentence or f"{NOT_WRITTEN} ({why})."
    with contextlib.suppress(Exception):
        if sentence:
            print(f"mlpperf: {sentence}", file=sys.stderr)
    _closed(sys.stderr)
    exec("")  # else `python -m` ends by a signal if that interrupted code such as a data class's
    sys.exit(code)


def _ran() -> int:
    """Run the command; returns its exit code.

    Unforeseen exceptions pass, among them Typer's exit with 1 for a closed pipe.
    """
    from .app import app

    try:
        code: Any = app(standalone_mode=False, prog_name="mlpperf")
    except SystemExit as ended:
        if COMPLETE not in os.environ and not {*sys.argv[1:2]} & {*COMPLETION}:
            raise
        return 2 if ended.code else 0
    except Exception as reason:
        show = getattr(reason, "show", None)  # of Typer's own errors, about options
        if not hasattr(reason, "format_message") or show is None:
            raise
        show()
        return 2
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _signals() -> list[signal.Signals]:
    """Signals that end the command; a system may lack some."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def _not_lost(ignored: sys.UnraisableHookArgs) -> None:
    """Interrupt once more where Python ignored that, as it does in callbacks of its imports."""
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, _interrupt).start()
    else:
        sys.__unraisablehook__(ignored)


def _interrupt() -> None:
    if callable(signal.getsignal(signal.SIGTERM)):  # the command has not ended meanwhile
        if hasattr(signal, "pthread_kill"):  # which also ends a call that waits
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        else:
            _thread.interrupt_main(signal.SIGTERM)


def _prepared() -> str:
    """Prepare this process; returns a sentence if it cannot work."""
    warnings.formatwarning = lambda message, *_, **__: f"mlpperf: {message}\n"
    sys.unraisablehook = _not_lost
    for name in _signals():
        if signal.getsignal(name) is not signal.SIG_IGN:  # as under nohup
            signal.signal(name, signal.default_int_handler)  # raises KeyboardInterrupt
    for number in range(3):  # a file that is opened must not get the number of a closed stream
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123  (until the process ends)
    if sys.stdout is None:
        return "Standard output is closed: redirect it to a file, or to /dev/null."
    codecs.register_error("as-json", _as_json)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="as-json")
    return ""


def _as_json(error: UnicodeError) -> tuple[str, int]:
    r"""Write characters that an encoding lacks as `\u00b5`, so that JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    numbers = (lacking[place : place + 4] for place in range(0, len(lacking), 4))
    return "".join(f"\\u{number}" for number in numbers), error.end


def _closed(stream: Any) -> str:
    """Flush a stream; returns why that is impossible, if it is.

    Python would otherwise try again at its end, and exit with a code and message of its own.
    """
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError) as reason:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            stream.flush()
        return getattr(reason, "strerror", None) or str(reason)
    return ""


def _sentence(reason: BaseException) -> str:
    """The sentence about an unforeseen exception; writes its traceback to a file."""
    if isinstance(reason, SystemExit):
        return f"{NOT_WRITTEN}, or a package ended the command (exit code {reason.code})."
    if isinstance(reason, BrokenPipeError):
        return f"{NOT_WRITTEN} (the pipe was closed)."
    if isinstance(reason, OSError) and reason.errno in NO_ROOM:
        where = f"{reason.filename}: " if reason.filename else ""
        return f"Not everything could be written ({where}{reason.strerror})."
    message = " ".join(str(reason).split())[:LONGEST]
    what = f"{type(reason).__name__}: {message}" if message else type(reason).__name__
    what = "".join(character if character.isprintable() else "?" for character in what)
    where = ""
    with contextlib.suppress(BaseException):
        from ..engine.files import own_folder, write_whole

        file = own_folder() / "traceback.txt"
        text = "".join(traceback.format_exception(reason))
        write_whole(file, text.encode(errors="backslashreplace"))
        where = f" The traceback is in {file}."
    return f"Unexpected error: {what.rstrip('.')}.{where}"
