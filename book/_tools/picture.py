"""The picture in the README: the figure of the book's first page, as Chromium draws it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from _tools.pdf import PdfError, chromium, first_page

PICTURE = Path("book") / "_static" / "picture.png"
WIDTH = 1100  # CSS pixels of the window


def take_picture(folder: Path, target: Path, wait: float = 30_000) -> None:
    """Write the first figure of the built book in ``folder`` as a PNG of few colours.

    ``wait`` is how many milliseconds it may take to be drawn.

    Raises:
        PdfError: if there is no built book or no browser, or the figure isn't drawn.
    """
    from PIL import Image
    from playwright.sync_api import Error

    first = first_page(folder)
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": WIDTH, "height": 1000}, color_scheme="light")
        try:
            tab.goto(first.as_uri())
            figure = tab.locator(".kc-figure").first
            figure.locator(".main-svg .trace").first.wait_for(timeout=wait)
            tab.evaluate("for (const folded of document.querySelectorAll('.kc-data')) folded.remove()")
            shot = figure.screenshot(animations="disabled")
        except Error as error:
            raise PdfError(f"{first.name} has no figure to take a picture of: {error.message}") from error
    Image.open(BytesIO(shot)).convert("RGB").quantize(128).save(target, optimize=True)
