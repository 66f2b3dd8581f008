"""The files for continuous integration that `init` writes, and whether they are up to date."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .. import __version__
from .version import UNKNOWN as NOT_KNOWN
from .version import source

if TYPE_CHECKING:
    from ..engine.versions.declared import Declared

TEXTS = Path(__file__).with_name("ci")  # what stands between two @ is filled in
INCLUDED = ".gitlab/mlpperf*.yml"  # the jobs of all projects
UNKNOWN = "the address of mlpperf's repository, such as git+https://HOST/OWNER/mlpperf@TAG"
WRITER = re.compile(r"^# Written by mlpperf (\S+) \(([0-9a-f]{12})\)\.$", re.MULTILINE)
SOURCE = re.compile(r"^( *MLPPERF: )(.*)$", re.MULTILINE)  # a user may have to fill it in


class State(Enum):
    """What a file on disk is, compared with what would be written."""

    MISSING = "is missing"
    CURRENT = "is up to date"
    OUTDATED = "is out of date"
    EDITED = "was edited"
    FOREIGN = "was not written by mlpperf init"


@dataclass(frozen=True)
class Generated:
    """A file and the text that it should have."""

    file: Path
    text: str

    def state(self) -> tuple[State, str]:
        """Whether the file is as it should be, and which version of mlpperf wrote it."""
        if not self.file.exists() and not self.file.is_symlink():
            return State.MISSING, ""
        try:
            there = self.file.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
        except OSError:  # a folder, or a link to nothing
            return State.FOREIGN, ""
        if there == self.text:
            return State.CURRENT, __version__
        if not (writer := WRITER.search(there)):
            return State.FOREIGN, ""
        if writer[2] != _checksum(there):
            return State.EDITED, writer[1]
        is_same = SOURCE.sub("", there) == SOURCE.sub("", self.text) and UNKNOWN in self.text
        return State.CURRENT if is_same else State.OUTDATED, writer[1]

    def content(self) -> bytes:
        """The text; the address that a user has filled in stays if we know none."""
        there = self.file.read_text("utf-8", "replace") if self.file.is_file() else ""
        if (source := SOURCE.search(there)) and UNKNOWN in self.text:
            return SOURCE.sub(lambda _: source[0], self.text).encode()
        return self.text.encode()


def generated(
    top: Path, below: Path, needs: Sequence[str], packages: Declared, ci: str
) -> list[Generated]:
    """The files for the project `below` the top of a repository, for github or gitlab.

    `needs` are packages with which mlpperf runs its suites. The texts have `UNKNOWN` in the place
    of mlpperf's address if that is unknown.
    """
    name = "-".join(["mlpperf", *re.findall(r"[\w.]+", below.as_posix().strip("."))])
    has_lock = (top / below / "uv.lock").is_file() and packages.installable
    source = installed_from()
    values = {
        "NAME": name,
        "SOURCE": json.dumps(source) if source else f'""  # {UNKNOWN}',
        "FOLDER": json.dumps(below.as_posix()),
        "PYTHON": packages.python or "3.13",
    }
    if ci == "gitlab":
        values["TOOLS"] = "uv " if has_lock else ""
        install = f"python -m pip install {_for_pip(packages, needs)}"
        if has_lock:
            install = f"uv sync --locked {_for_uv(packages)}"
        values["FOLDER"] = shlex.quote(below.as_posix())
        files = {
            Path(".gitlab", f"{name}.yml"): _text("gitlab").replace(
                "@INSTALL@", json.dumps(install.strip())
            )
        }
        if not (top / ".gitlab-ci.yml").exists():
            files[Path(".gitlab-ci.yml")] = f"include:\n  - local: {INCLUDED}\n"
    else:
        values["PACKAGES"] = _for_uv(packages) if has_lock else _for_pip(packages, needs)
        install = _text("install-uv" if has_lock else "install-pip")
        compare = _text("compare").replace("@INSTALL@\n", install)
        folder = Path(".github/workflows")
        files = {folder / f"{name}.yml": compare, folder / f"{name}-comment.yml": _text("comment")}
    return [Generated(top / at, _filled(text, values)) for at, text in files.items()]


def _text(name: str) -> str:
    return (TEXTS / f"{name}.yml").read_text("utf-8")


def _filled(text: str, values: dict[str, str]) -> str:
    """The text with its values, and who wrote it: the checksum is that of all the rest."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    text = re.sub(r" +$", "", text, flags=re.MULTILINE)
    return text.replace("@WRITER@", f"mlpperf {__version__} ({_checksum(text)})")


def _checksum(text: str) -> str:
    """Of everything but the line that holds it, and mlpperf's address."""
    rest = re.sub(r"^# Written by .*$", "", SOURCE.sub(r"\1", text), count=1, flags=re.MULTILINE)
    return hashlib.sha256(rest.encode()).hexdigest()[:12]


def _for_pip(packages: Declared, needs: Sequence[str]) -> str:
    own = f".[{','.join(packages.extras)}]" if packages.extras else "."
    words = [own] if packages.installable else []
    words += [word for file in packages.files for word in ("-r", file)]
    words += [word for group in packages.groups for word in ("--group", group)]
    return shlex.join([*words, *dict.fromkeys([*needs, *packages.requirements])])


def _for_uv(packages: Declared) -> str:
    words = [word for extra in packages.extras for word in ("--extra", extra)]
    words += [word for group in packages.groups for word in ("--group", group)]
    return shlex.join(words)


def installed_from() -> str | None:
    """The requirement that installs this version of mlpperf from where pip got it.

    None if pip got it from a folder, or by its name alone: no index is known to have it.
    """
    try:
        known = source()
        address = urlsplit(str(known["url"]))
        port = f":{address.port}" if address.port else ""
        place = f"https://{address.hostname}{port}{address.path}"  # without a password
        if "vcs_info" in known:
            place = f"{known['vcs_info']['vcs']}+{place}@{known['vcs_info']['commit_id']}"
    except NOT_KNOWN:
        return None
    is_plain = re.fullmatch(r"(git\+)?https://[\w.:-]+/[\w./~+@%-]+", place)
    return f"mlpperf @ {place}" if address.scheme == "https" and is_plain else None
