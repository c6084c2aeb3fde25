"""Drive everything on a page that a reader can drive, and say of each control whether the picture changed."""

from collections.abc import Callable, Iterator

from playwright.sync_api import ElementHandle, Page
from playwright.sync_api import Error as BrowserError

WAIT = 5_000  # milliseconds for a picture to change


def changes(page: Page, part: ElementHandle, look: str, *acts: Callable[[], object]) -> bool:
    """Act, until what is looked at ("drawn" or "pixels", see probes.js) changes; return whether it did."""
    for act in acts:
        page.evaluate("([part, look]) => kcProbes.remember(part, look)", [part, look])
        try:
            act()
        except BrowserError:
            continue
        if page.evaluate("wait => kcProbes.changed(wait)", WAIT):
            return True
    return False


def click_at(page: Page, element: ElementHandle, share: float) -> None:
    """Click a slider's rail at a share of its length."""
    element.scroll_into_view_if_needed(timeout=WAIT)
    box = element.bounding_box()
    page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


def choose(plot: ElementHandle, number: int, last: bool) -> None:
    """Open a plot's menu by the mouse and choose its first or last entry."""
    plot.query_selector_all(".updatemenu-header")[number].click(timeout=WAIT)
    plot.wait_for_selector(".updatemenu-dropdown-button", timeout=WAIT)
    plot.query_selector_all(".updatemenu-dropdown-button")[-1 if last else 0].click(timeout=WAIT)


def select(field: ElementHandle, end: str) -> None:
    """Choose the first or last option as a keyboard does."""
    field.focus()
    field.press(end, timeout=WAIT)


def plot_controls(page: Page, plot: ElementHandle) -> Iterator[tuple[str, bool]]:
    """Yield the sliders and menus of a plot: by the keyboard before it, by the mouse in the drawing.

    The keyboard begins with the last choice and the mouse with the first, so that each has something to change at its
    first act: an act that changes nothing is waited for.
    """
    fields = plot.query_selector_all("xpath=..//*[@class='kc-keys']/select")
    drawn = plot.query_selector_all(".slider-rail-touch-rect, .updatemenu-header")
    if len(fields) < len(drawn):
        yield "a slider or menu has no choice for the keyboard", False
    for field in fields:
        acts = [lambda end=end, field=field: select(field, end) for end in ("End", "Home")]
        yield "choice, keyboard", changes(page, plot, "drawn", *acts)
        field.evaluate("field => field.blur()")  # while it has the focus it is seen, and may lie over the drawing
    for rail in plot.query_selector_all(".slider-rail-touch-rect"):
        acts = [lambda at=at, rail=rail: click_at(page, rail, at) for at in (0.02, 0.98)]
        yield "slider, mouse", changes(page, plot, "drawn", *acts)
    for number in range(len(plot.query_selector_all(".updatemenu-header"))):
        acts = [lambda last=last, number=number: choose(plot, number, last) for last in (False, True)]
        yield "menu, mouse", changes(page, plot, "drawn", *acts)
    for button in plot.query_selector_all(".updatemenu-button")[-1:]:
        yield "button, mouse", changes(page, plot, "drawn", lambda button=button: button.click(timeout=WAIT))


def view_controls(page: Page, view: ElementHandle) -> Iterator[tuple[str, bool]]:
    """Yield whether Enter on the last or first head of an attention view changes the large picture."""
    heads = view.query_selector_all("[role=button]:has(> h4)")
    acts = [lambda head=head: head.press("Enter", timeout=WAIT) for head in heads[-1:] + heads[:1]]
    yield "head, keyboard", changes(page, view, "pixels", *acts)


KINDS = {
    ".js-plotly-plot": plot_controls,
    "[id^=circuits-vis-]:has([role=button] h4)": view_controls,
}


def drive(page: Page) -> list[dict]:
    """Return of each control on the page: the figure, the control, and whether the picture changed."""
    found = []
    for selector, controls in KINDS.items():
        for part in page.query_selector_all(selector):
            figure = part.evaluate("part => (part.closest('[aria-label]')?.ariaLabel || part.id).slice(0, 70)")
            found += [dict(figure=figure, control=name, changed=yes) for name, yes in controls(page, part)]
    return found
