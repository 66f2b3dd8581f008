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
# File, page, and height of the window. The page of a comparison is the first that a page links.
PICTURES = (
    ("report.png", re.compile(r"index\.html"), 900),
    ("comparison.png", re.compile(r"comparison-[\w-]+\.html"), 760),
)
WIDTH = 1200
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--virtual-time-budget=5000", "--blink-settings=preferredColorScheme=1"),
)


def page_of(site: Path, name: re.Pattern[str]) -> Path:
    """The first page of that name which the first page, or another one, links."""
    pages = [site / "index.html", *sorted(site.glob("*.html"))]
    for page in pages:
        if name.fullmatch(page.name) and page.name == "index.html":
            return page
        for link in re.finditer(r'href="([^"#?]+)', page.read_text("utf-8")):
            if name.fullmatch(link[1]) and (site / link[1]).is_file():
                return site / link[1]
    raise SystemExit(f"The report has no page like {name.pattern}.")


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
        for name, wanted, height in PICTURES:
            page = page_of(site, wanted)
            take(browser, page, IMAGES / name, height, folder / "profile")
            print(f"docs/images/{name}: {page.name}")


if __name__ == "__main__":
    main()
