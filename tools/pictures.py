"""The pictures of the report in README and docs.

    python tools/pictures.py        # `make pictures` does it

Chromium opens the report of the public project that the documentation carries (`showcase.py`), and
pictures of the pages named below go to `docs/images`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from showcase import build

IMAGES = Path(__file__).parents[1] / "docs" / "images"
# File, pages of which it may show one, and height of the window.
PICTURES = (
    ("report.png", "index.html", 900),
    ("comparison.png", "comparison-*.html", 760),
)
CHANGED = re.compile(r"\b(?:slower|faster)\b")
WIDTH = 1200
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--virtual-time-budget=5000", "--blink-settings=preferredColorScheme=1"),
)


def page_of(site: Path, pattern: str) -> Path:
    """Of the pages with such a name the one with most to show: that speaks most of changes."""
    pages = sorted(site.glob(pattern))
    if not pages:
        raise SystemExit(f"The report has no page like {pattern}.")
    return max(pages, key=lambda page: len(CHANGED.findall(page.read_text("utf-8"))))


def take(browser: str, page: Path, picture: Path, height: int, profile: Path) -> None:
    """A picture of the top of a page."""
    options = (f"--window-size={WIDTH},{height}", f"--user-data-dir={profile}")
    command = [browser, *ARGUMENTS, *options, f"--screenshot={picture}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def main() -> None:
    """Build the report, and take the pictures."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("There is no Chromium to take the pictures with.")
    with tempfile.TemporaryDirectory(prefix="mlpperf-pictures-") as temporary:
        folder = Path(temporary)
        site = folder / "site"
        build(site)
        for name, pattern, height in PICTURES:
            page = page_of(site, pattern)
            take(browser, page, IMAGES / name, height, folder / "profile")
            print(f"docs/images/{name}: {page.name}")


if __name__ == "__main__":
    main()
