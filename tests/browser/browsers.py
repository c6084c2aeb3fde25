"""Chromium of the system, and a server for the built book."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from _tools import ToolError
from _tools.pdf import find_browser
from playwright.sync_api import Browser, Playwright

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
FILES = sorted(  # the heaviest first, since processes share them: what is long must not end alone
    (path for path in HTML.rglob("*.html") if "_static" not in path.parts),
    key=lambda path: (-path.stat().st_size, path),
)
PAGES = [path.relative_to(HTML).as_posix() for path in FILES if path != HTML / "index.html"]  # only leads to the front
# What makes a page load other files; of the pages with the same of these, one is opened from disk, too.
MARKS = ("plotly-graph-div", 'id="circuits-vis-', 'class="math', 'class="kc-map"', 'id="kc-explorer"')
FROM_DISK = {tuple(mark in (HTML / page).read_text(encoding="utf-8") for mark in MARKS): page for page in PAGES}
MISSING = "NOT TESTED IN A BROWSER: no Chromium found. Install it (Debian: apt-get install chromium) or set KC_CHROMIUM"
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no page reaches another host, even if it tries
]


def chromium() -> str | None:
    """Return the path of the browser that the book's own commands would take, if there is one."""
    try:
        return find_browser()
    except ToolError:
        return None


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium(), args=OPTIONS)


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        """A tab is kept for many pages, but each of them is weighed: nothing comes from the browser's cache."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests report what fails."""


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A browser that closes a page hangs up on us."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine; yields the address of its root, with a slash at its end."""
    server = QuietServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
