"""Two versions, ready to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..suites.discovery import Suite
from ..suites.settings import Settings
from .absent import ignored_modules, pointers
from .configuration import other_packages
from .diff import OTHER_PACKAGES, Changes, changes, same_code
from .environment import Runtime
from .layout import PACKAGES, built_from
from .metadata import computed_entry_points
from .own import Own
from .version import Version


@dataclass(frozen=True)
class Pair:
    """Two versions, ready to be compared.

    Attributes
    ----------
    base, head : the versions.
    suites : the suites of the head, hot paths not included.
    settings : those of the head's project.
    isolated : why each version has processes of its own; empty if they share one.
    hot_paths : what runs the hot paths.
    runtime : what runs the other suites; None without any.
    own : the base's own suites, if they differ from the head's.
    merge_base : the hash of the base, if it is a merge base.
    benchmarks : the hash of the commit that was named for its suites; else empty.
    environments : the packages that differ as the user has asked, and Python; of each version.
    """

    base: Version
    head: Version
    suites: tuple[Suite, ...] = ()
    settings: Settings = field(default_factory=Settings)
    isolated: str = ""
    hot_paths: Runtime = field(default_factory=Runtime)
    runtime: Runtime | None = None
    own: Own | None = None
    merge_base: str = ""
    benchmarks: str = ""
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def same_code(self) -> bool:
        """Whether no file differs that a benchmark can read, and no package.

        In a working tree, a module that git ignores may be what has changed.
        """
        if self.environments or (self.head.commit is None and self._ignored):
            return False
        return same_code(self.base, self.head, bool(self.suites))

    @property
    def absent(self) -> dict[str, str]:
        """The files that benchmarks may use and a copy lacks, and why the result is unknown."""
        lacking_content = pointers(self.base.whole, self.head.whole)
        computed = computed_entry_points(self.head.root, self.head.whole)
        return {**self._ignored, **lacking_content, **computed}

    @cached_property
    def _ignored(self) -> dict[str, str]:
        return ignored_modules(self.head)

    @cached_property
    def sources(self) -> dict[str, dict[str, str]]:
        """Which file each built Python file comes from, by version; see `layout.built_from`."""
        return {side: built_from(getattr(self, side).root) for side in ("base", "head")}

    @property
    def interpreter(self) -> tuple[str, tuple[str, ...]]:
        """The interpreter of the head's suites, or else hot paths, and its folders of packages."""
        runtime = self.runtime or self.hot_paths
        folders = list(runtime.packages.get("head", ()))
        own = self.head.whole / PACKAGES
        return runtime.python, (*([str(own)] if own.is_dir() else []), *folders)

    @property
    def compiled(self) -> bool:
        """Whether a version has extension modules."""
        return bool(self.runtime and self.runtime.compiled)

    @property
    def runs_alike(self) -> bool:
        """Whether unchanged code takes as long in both: in one process, with the same packages."""
        alike = self.base.requirements == self.head.requirements or not self._own_packages
        return alike and not self.isolated

    @property
    def _own_packages(self) -> bool:
        """Whether each version has some packages in a folder of its own."""
        return any((version.whole / PACKAGES).is_dir() for version in (self.base, self.head))

    @property
    def notes(self) -> list[str]:
        """Sentences about what is left out, and why."""
        apart = self._own_packages or self.base.release or self.head.release
        packages = "" if apart else other_packages(self.base, self.head)
        return [*(note for suite in self.suites for note in suite.notes), *filter(None, [packages])]

    @property
    def changes(self) -> Changes | None:
        """What differs; None if that is unknown, as versions are compiled or share no process."""
        if self.isolated or self.compiled:
            return None
        if not self.runs_alike:
            return Changes(OTHER_PACKAGES)
        return changes(self.base, self.head) if self.suites else Changes()
