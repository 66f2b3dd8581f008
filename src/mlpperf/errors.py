"""The one exception that is meant for the person at the keyboard, and what it says of names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MlpperfError(Exception):
    """Bad input or an unusable environment, told in one sentence.

    The sentence names the value and what would be right. The command line prints it without a
    traceback and exits with code 2.
    """


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
    near = [lower[found] for found in get_close_matches(name.lower(), lower, n=3, cutoff=0.4)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(choices)}."
    return MlpperfError(f"There is no {kind} {name!r}; {hint}")
