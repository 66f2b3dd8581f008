"""Serves the report on this machine, and rebuilds it when the records have changed."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ...errors import MlpperfError
from ..words import plain

HOST = "127.0.0.1"  # not reachable from other machines
NAMES = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?", re.IGNORECASE)


class _Handler(SimpleHTTPRequestHandler):
    """Serves files of the site; a page is refreshed first if the records have changed."""

    def __init__(self, *args: Any, refresh: Callable[[], None], **kwargs: Any) -> None:
        self._refresh = refresh
        super().__init__(*args, **kwargs)

    def send_head(self) -> Any:
        """Answer a request for this machine and for a file of the site; refuse any other.

        A foreign page, open in the same browser, can point its own name here (DNS rebinding), and
        would then be allowed to read the answers. But the name stays in `Host`.
        """
        named = self.headers.get_all("Host", [])
        if len(named) != 1 or not NAMES.fullmatch(named[0]):
            self.send_error(403)
            return None
        if self.path.partition("?")[0].endswith(("/", ".html")):
            self._refresh()
        try:
            site = Path(self.directory).resolve()
            inside = Path(self.translate_path(self.path)).resolve().is_relative_to(site)
        except (OSError, ValueError, RuntimeError):  # not a file name, or circular links
            inside = False
        if not inside:  # a link leads out of it
            self.send_error(404)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests."""

    def list_directory(self, path: Any) -> None:
        """Refuse to list a folder."""
        self.send_error(404)


def serve(
    out: Path, port: int, build: Callable[[], object], sources: Callable[[], Iterable[Path]]
) -> ThreadingHTTPServer:
    """A server for the site in `out`, which calls `build` when one of `sources` has changed.

    Raises `MlpperfError` if the port cannot be used.
    """
    lock = threading.Lock()
    last = _state(sources())

    def refresh() -> None:
        nonlocal last
        with lock:
            now = _state(sources())
            if now != last:
                last = now
                try:
                    build()
                except Exception as reason:  # whatever it is, the old pages stay
                    print(f"mlpperf: {plain(str(reason))}", file=sys.stderr)

    handler = partial(_Handler, directory=str(out), refresh=refresh)
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except (OSError, OverflowError) as reason:
        why = getattr(reason, "strerror", None) or reason
        raise MlpperfError(
            f"Port {port} of {HOST} cannot be used ({why}); --port 0 takes a free one."
        ) from reason


def _state(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Names, times and sizes of files, which differ once a file has changed."""
    state = []
    for file in sorted(files):
        try:
            about = file.stat()
        except OSError:  # gone in between
            continue
        state.append((str(file), about.st_mtime_ns, about.st_size))
    return state
