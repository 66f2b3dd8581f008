"""The parts in which two texts of a module differ, and texts that have some of the parts.

The parts are the functions that both have, by their name with the classes around them, and the
rest, whose name is empty. What only binds new names is put into every text that has any part.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .sources import Outline, Part, outlined, parsed
from .syntax import Function, Lines, code_of


@dataclass(frozen=True)
class ModuleDiff:
    """How two texts of a module differ.

    Attributes
    ----------
    lines : the line in which each part begins in the head; that of the rest has the name "".
    functions : first and last lines of each changed function, in the base and the head.
    insertions : lines with new definitions, by the line of the base after which they come.
    new_names : that these bind.
    signatures : the names of functions whose parameters changed.
    bound : attributes that the changed functions assign, and names that the rest binds.
    all_mentions : of the whole base, and of the whole head.
    mentions : the plain names that each part mentions, in the base and in the head.
    """

    base: Sequence[bytes]
    head: Sequence[bytes]
    lines: dict[str, int]
    functions: dict[str, tuple[Lines, Lines]]
    insertions: Sequence[tuple[int, Sequence[bytes]]]
    new_names: frozenset[str]
    signatures: frozenset[str]
    bound: frozenset[str]
    all_mentions: tuple[frozenset[str], frozenset[str]]
    mentions: Mapping[str, tuple[frozenset[str], frozenset[str]]]

    def applied(self, names: Collection[str]) -> bytes:
        """The base's text with the parts of these names, and the new definitions."""
        if "" in names:
            lines = list(self.head)
            edits = [
                (there, self.base[here[0] - 1 : here[1]])
                for name, (here, there) in self.functions.items()
                if name not in names
            ]
        else:
            lines = list(self.base)
            edits = [
                (self.functions[name][0], self.head[first - 1 : last])
                for name, (_, (first, last)) in self.functions.items()
                if name in names
            ]
            edits += [((at + 1, at), text) for at, text in self.insertions]
        # At one place, what is inserted first has to be inserted last.
        for _, ((first, last), text) in sorted(
            enumerate(edits), key=lambda item: (item[1][0], item[0]), reverse=True
        ):
            lines[first - 1 : last] = text
        return b"\n".join(lines)

    def places(self, name: str) -> dict[str, Lines]:
        """The lines of a changed function in each version."""
        return dict(zip(("base", "head"), self.functions[name], strict=True))

    def sides(self, name: str) -> tuple[bytes, bytes]:
        """The text of a part in the base and in the head."""
        if name:
            (first, last), (start, end) = self.functions[name]
            before, after = self.base[first - 1 : last], self.head[start - 1 : end]
            return b"\n".join(before), b"\n".join(after)
        functions = set(self.functions)
        return self.applied(functions), self.applied({*functions, ""})


def module_diff(base: bytes, head: bytes) -> ModuleDiff:
    """The parts in which two texts of a module differ.

    Raises `SyntaxError`, `ValueError`, `RecursionError` or `MemoryError` if one is not Python, or
    nested too deeply.
    """
    before, after = outlined(base), outlined(head)
    texts = base.split(b"\n"), head.split(b"\n")
    functions, lines, mentions = {}, {}, {}
    ours, theirs = before.keyed("function"), after.keyed("function")
    signatures, stored = set(), set[str]()
    for key, part in theirs.items():
        other, (_, name, number) = ours.get(key), key
        if other is None or other.text == part.text:
            continue
        named = f"{name} ({number + 1})" if number else name
        functions[named] = other.lines, part.lines
        lines[named] = part.lines[0]
        mentions[named] = _plain(other.mentions), _plain(part.mentions)
        (old, gone), (new, come) = (
            _signature_and_stores(text[p.lines[0] - 1 : p.lines[1]])
            for text, p in zip(texts, (other, part), strict=True)
        )
        stored |= gone | come
        if old != new:
            signatures.add(part.name)
    rest = _Rest(before, after, texts)
    if (first := rest.first_changed()) is not None:
        lines = {"": first, **lines}
        mentions[""] = rest.mentions()
    return ModuleDiff(
        *texts,
        lines,
        functions,
        rest.insertions,
        _plain(rest.new_names),
        frozenset(signatures),
        frozenset(stored | rest.binds()),
        (_plain(before.mentions), _plain(after.mentions)),
        mentions,
    )


def _signature_and_stores(source: Sequence[bytes]) -> tuple[str, set[str]]:
    """The parameters of the function whose lines these are, and the attributes that it assigns."""
    text = b"\n".join(source)
    if text[:1].isspace():
        text = b"if 1:\n" + text
    every = list(ast.walk(parsed(text)))
    node = next(node for node in every if isinstance(node, Function))
    stores = {
        n.attr for n in every if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
    }
    return code_of(node.args), stores


def _plain(names: Collection[str]) -> frozenset[str]:
    """Variables and attributes without the signs that tell them apart; no words in strings."""
    return frozenset(name.lstrip(".^=*?") for name in names if name[0] != "'") - {""}


class _Rest:
    """What differs outside of the functions that both texts have."""

    def __init__(
        self, base: Outline, head: Outline, texts: tuple[Sequence[bytes], Sequence[bytes]]
    ) -> None:
        self._texts = texts
        self.insertions: list[tuple[int, Sequence[bytes]]] = []
        self.new_names: set[str] = set()
        ours, theirs = base.keyed(), head.keyed()
        self._gone = [part for key, part in ours.items() if key not in theirs]
        bound: dict[str, set[str]] = {}
        for part in base.parts:
            bound.setdefault(part.within, set()).update(part.binds)
        new: list[str] = []  # classes, whose contents come with them
        self._changed: list[Part] = []
        anchors: dict[str, int] = {}
        for key, part in theirs.items():
            known = ours.get(key)
            if known is not None:
                anchors[part.within] = known.lines[1]
                if part.kind == "class" and known.text != part.text:
                    self._changed.append(part)
            elif any(part.within.startswith(inside) for inside in new):
                continue
            elif part.binds and part.binds.isdisjoint(bound.get(part.within, ())):
                text = self._definition(part, head)
                if text is None:
                    self._changed.append(part)
                    continue
                at = anchors.get(part.within)
                self.insertions.append((self._before(base, part) if at is None else at, text))
                self.new_names |= part.binds
                if part.kind == "class":
                    new.append(f"{part.within}{part.name}.")
            else:
                self._changed.append(part)
        common = ours.keys() & theirs.keys()
        one, other = ([k for k in keyed if k in common] for keyed in (ours, theirs))
        self._moved = one != other

    def first_changed(self) -> int | None:
        """The line of the first change that is more than a new definition; None without any."""
        if self._changed:
            return self._changed[0].lines[0]
        if self._gone:
            return min(self._gone[0].lines[0], len(self._texts[1]))
        return 1 if self._moved else None

    def mentions(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names that the changed code mentions, or binds, before and after."""
        sides = (self._gone, self._changed)
        before, after = (
            _plain({name for part in side for name in (*part.mentions, *part.binds)})
            for side in sides
        )
        return before, after

    def binds(self) -> set[str]:
        """The names that the changed code binds, before or after."""
        return set().union(*(part.binds for part in (*self._gone, *self._changed)))

    def _definition(self, part: Part, head: Outline) -> Sequence[bytes] | None:
        """The lines that define new names; None if they do not stand alone."""
        first, last = part.lines
        indent = len(self._texts[1][first - 1]) - len(self._texts[1][first - 1].lstrip())
        if part.kind == "import":
            if part.module == "__future__" or part.name == "*":
                return None
            (bound,) = part.binds
            written = f"from {part.module} import {part.name} as {bound}"
            if not part.name:  # `import a.b` binds a, `import a.b as c` binds c
                renamed = part.module.partition(".")[0] != bound
                written = f"import {part.module}" + (f" as {bound}" if renamed else "")
            return [(" " * indent + written).encode()]
        for other in head.parts:
            inside = other.within.startswith(f"{part.within}{part.name}.")
            around = part.within.startswith(f"{other.within}{other.name}.") and other.name
            if other is part or inside or around:
                continue
            if other.lines[0] <= last and first <= other.lines[1]:
                return None
        return self._texts[1][first - 1 : last]

    def _before(self, base: Outline, new: Part) -> int:
        """The line of the base after which a level has its first part."""
        level = [part for part in base.parts if part.within == new.within]
        if level:
            return level[0].lines[0] - 1
        around = [p for p in base.parts if f"{p.within}{p.name}." == new.within]
        return around[-1].lines[1] if around else len(self._texts[0])
