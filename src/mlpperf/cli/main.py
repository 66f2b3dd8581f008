"""How the `mlpperf` command ends, whatever happens: by a code that says what it means.

0 and 1 are answers of a command that came to its end, and all of whose output was written. All else
is 2, with a sentence. Nothing but the standard library is imported here before that is certain: an
installation that is damaged is one of the things that may happen.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import sys
import traceback
import warnings
from typing import Any, NoReturn

NOT_WRITTEN = "Not all of the output could be written"
LONGEST = 500  # characters of what an exception says


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
    for name in _signals():  # another one while Python ends is no code of ours
        signal.signal(name, signal.SIG_DFL)
    if why := _closed(sys.stdout):
        code, sentence = 2, sentence or f"{NOT_WRITTEN} ({why})."
    with contextlib.suppress(Exception):
        if sentence:
            print(f"mlpperf: {sentence}", file=sys.stderr)
    _closed(sys.stderr)
    sys.exit(code)


def _ran() -> int:
    """Run the command, and give its exit code.

    Raises whatever nobody foresaw; so does what only others mean by 1, such as Typer for a pipe
    that nobody reads.
    """
    from .app import app

    try:
        code: Any = app(standalone_mode=False)
    except Exception as reason:
        show = getattr(reason, "show", None)  # how Typer's own errors, about options, are told
        if not hasattr(reason, "format_message") or show is None:
            raise
        show()
        return 2
    return code if isinstance(code, int) else 0


def _signals() -> list[signal.Signals]:
    """Those that end the command, Ctrl-C's included."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def _prepared() -> str:
    """Prepare this process, and say why it cannot do its work, if it cannot."""
    warnings.formatwarning = lambda message, *_, **__: f"mlpperf: {message}\n"
    for name in _signals():
        if signal.getsignal(name) is not signal.SIG_IGN:  # as under nohup
            signal.signal(name, signal.default_int_handler)  # all like Ctrl-C: nothing is lost
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
    r"""What an encoding lacks as JSON has it, such as `\u00b5`: what was JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    numbers = (lacking[place : place + 4] for place in range(0, len(lacking), 4))
    return "".join(f"\\u{number}" for number in numbers), error.end


def _closed(stream: Any) -> str:
    """Write what is left to write to a stream, and say why that is impossible, if it is.

    Python would try again when it ends, and end with a code and a message of its own.
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
    """What is said of something that nobody foresaw, and where the rest of it is."""
    if isinstance(reason, SystemExit):
        return f"{NOT_WRITTEN}, or a package ended the command (exit code {reason.code})."
    if isinstance(reason, BrokenPipeError):
        return f"{NOT_WRITTEN} (nobody reads it any more)."
    said = " ".join(str(reason).split())[:LONGEST]
    what = f"{type(reason).__name__}: {said}" if said else type(reason).__name__
    what = "".join(character if character.isprintable() else "?" for character in what)
    where = ""
    with contextlib.suppress(BaseException):
        from ..engine.files import own_folder, write_whole

        file = own_folder() / "traceback.txt"
        text = "".join(traceback.format_exception(reason))
        write_whole(file, text.encode(errors="backslashreplace"))
        where = f" The traceback is in {file}."
    return f"Nobody foresaw this: {what.rstrip('.')}.{where}"
