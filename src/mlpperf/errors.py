"""The exception whose message is meant for users, and helpers for such messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import metadata
from types import TracebackType

SHOWN_MOST = 80  # characters of a value in a sentence
# Packages of our extras whose modules have another name.
_PACKAGE_OF = {"sklearn": "scikit-learn", "markdown_it": "markdown-it-py"}


class MlpperfError(Exception):
    """Bad input or an unusable environment, described in one sentence.

    The sentence names the value and what would be right. The command line prints it without a
    traceback and exits with code 2.

    Attributes
    ----------
    details : lines to print after it, such as those of a compiler.
    """

    def __init__(self, sentence: str = "", details: Iterable[str] = ()) -> None:
        super().__init__(sentence)
        self.details = tuple(details)


def shown(value: object) -> str:
    """A value of somebody else's for a sentence: its beginning, if it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_MOST else f"{text[:SHOWN_MOST]}…"


def check(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise `MlpperfError`, with the nearest names, for a name of `kind` that is not `known`."""
    choices = list(dict.fromkeys(known))
    for name in names:
        if name not in choices:
            raise unknown(kind, name, choices)


def unknown(kind: str, name: str, known: Iterable[str]) -> MlpperfError:
    """The sentence about a `name` of `kind` that is none of those `known`, with the nearest."""
    choices = list(known)
    lower = {choice.lower(): choice for choice in choices}
    near = [
        lower[match]
        for match in get_close_matches(name[:SHOWN_MOST].lower(), lower, n=3, cutoff=0.4)
    ]
    there = f"there are {', '.join(choices)}." if choices else "there is none."
    hint = f"did you mean {' or '.join(near)}?" if near else there
    what, *where = kind.partition(" in ")
    return MlpperfError(f"There is no {what} {shown(name)}{''.join(where)}; {hint}")


def missing(error: ModuleNotFoundError) -> MlpperfError | None:
    """The sentence that names the extra with the missing package.

    None for a package of no extra, or if other code than ours imports it. The extras are read from
    the metadata of the installed package.
    """
    module = (error.name or "").partition(".")[0]
    package = _PACKAGE_OF.get(module, module)
    ours = _importing(error.__traceback__).partition(".")[0] == __name__.partition(".")[0]
    return MlpperfError(not_installed(package)) if ours and _extra_with(package) else None


def not_installed(package: str, title: str = "") -> str:
    """The sentence about a package that is not installed, with the extra that has it."""
    extra = _extra_with(package)
    remedy = f": pip install 'mlpperf[{extra}]'" if extra else ""
    return f"{title or package} is not installed{remedy}."


@contextmanager
def loading(package: str, title: str) -> Iterator[None]:
    """Turn what goes wrong with an import of `package` into a sentence."""
    try:
        yield
    except Exception as reason:  # whatever a damaged or unfitting installation raises
        if isinstance(reason, ModuleNotFoundError) and reason.name == package:
            raise MlpperfError(not_installed(package, title)) from reason
        raise MlpperfError(f"{title} does not load ({reason}).") from reason


def last_line(output: str | bytes) -> str:
    """The last line of a process's output, for the sentence about its failure."""
    text = output if isinstance(output, str) else output.decode(errors="replace")
    return (text.strip().splitlines() or ["no message"])[-1]


def _importing(traceback: TracebackType | None) -> str:
    """Name of the module whose statement raised; nothing without a traceback."""
    name = ""
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
    return name


def _extra_with(package: str) -> str | None:
    """The smallest of our extras that names `package`; None if none does, or we are not installed.

    The larger ones are made of the smaller ones.
    """
    try:
        requirements = metadata.requires("mlpperf") or []
    except metadata.PackageNotFoundError:
        return None
    named: dict[str, list[str]] = {}
    for text in requirements:
        requirement, _, marker = text.partition(";")
        if extra := re.search(r"extra\s*==\s*['\"]([\w-]+)", marker):
            named.setdefault(extra[1], []).append(re.split(r"[^\w.-]", requirement)[0])
    having = [extra for extra in named if package in named[extra]]
    return min(having, key=lambda extra: len(named[extra]), default=None)
