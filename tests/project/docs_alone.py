"""Does the documentation that `make docs` built need a network when it is read?

`make docs` runs this on the folder of the built pages. A link that somebody may follow is fine;
a script, style, font, picture or frame that the browser would fetch by itself is not.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

ELSEWHERE = re.compile(r"\s*(?:https?:)?//", re.I)
IN_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", re.I)
FETCHED = {"stylesheet", "preload", "modulepreload", "prefetch", "preconnect", "icon", "manifest"}


class _Loads(HTMLParser):
    """Collects the addresses that a browser fetches for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        addresses = [given.get("src", ""), given.get("poster", "")]
        addresses += [part.strip() for part in given.get("srcset", "").split(",")]
        if tag == "link" and FETCHED & set(given.get("rel", "").lower().split()):
            addresses.append(given.get("href", ""))
        if tag == "object":
            addresses.append(given.get("data", ""))
        self.found += [address for address in addresses if ELSEWHERE.match(address)]
        self.found += IN_STYLE.findall(given.get("style", ""))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self.found += IN_STYLE.findall(data)


def loaded_from_elsewhere(folder: Path) -> list[str]:
    """What the pages and style sheets below `folder` fetch from other hosts, a sentence each."""
    told = []
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".html":
            page = _Loads()
            page.feed(file.read_text("utf-8"))
            found = page.found
        elif file.suffix == ".css":
            found = IN_STYLE.findall(file.read_text("utf-8"))
        else:
            continue
        told += [f"{file.relative_to(folder)} loads {address}" for address in found]
    return told


if __name__ == "__main__":
    site = Path(sys.argv[1])
    if not any(site.rglob("*.html")):
        sys.exit(f"There are no pages in {site}.")
    if told := loaded_from_elsewhere(site):
        sys.exit("\n".join(told))
