"""Every page of the built book as a browser shows it, loaded at 1440 px and then made 390 px wide, as `Visit`s.

One page of each kind is also loaded at 390 px, as on a phone, and from a file.
"""

from collections.abc import Callable

import pytest
from browsers import FROM_DISK, HTML, PAGES
from visit import Visit

WAYS = [*((page, width) for page in PAGES for width in (390, 1440)), *((page, "file") for page in FROM_DISK.values())]
ways = pytest.mark.parametrize(("page_name", "how"), WAYS)
Visits = Callable[[str, int | str], Visit]

# Kilobytes, uncompressed and with an empty cache: all files that a page makes the browser load besides itself, by what
# stands on it (plain: theme, fonts, style sheets, search index; then plotly, circuitsvis, MathJax with its fonts; and
# cytoscape with the circuits of one relation) ...
BUDGET = {"plain": 1475, "plots": 1520, "attention": 1310, "maths": 1450, "explorer": 550}
# ... and the page itself, which holds the numbers of its drawings.
HTML_BUDGET = {"plain": 100, "plots": 550, "attention": 50, "maths": 0, "explorer": 0}

# What axe finds in other people's scripts and we cannot mend: (rule, part of the element's HTML) and the reason.
EXCLUDED: dict[tuple[str, str], str] = {}


def test_there_are_pages():
    assert (HTML / "index.html").is_file() and len(PAGES) > 4, "run `make book`"


@ways
def test_nothing_goes_wrong(page_name: str, how: int | str, visits: Visits):
    visit = visits(page_name, how)
    assert visit.errors == [] and visit.failed == []


@ways
def test_no_other_host_is_asked(page_name: str, how: int | str, visits: Visits):
    assert visits(page_name, how).foreign == []


@ways
def test_a_page_does_not_scroll_sideways(page_name: str, how: int | str, visits: Visits):
    facts = visits(page_name, how).facts
    assert facts["tooWide"] == [] and facts["sticksOut"] == []


@ways
def test_what_scrolls_can_be_reached_by_keyboard(page_name: str, how: int | str, visits: Visits):
    assert visits(page_name, how).facts["unreachable"] == []


@ways
def test_every_plot_drew_something(page_name: str, how: int | str, visits: Visits):
    for plot in visits(page_name, how).facts["plots"]:
        assert plot["marks"] > 0 and plot["height"] > 100 and plot["cut"] == 0, plot


@ways
def test_every_attention_view_drew_something(page_name: str, how: int | str, visits: Visits):
    for view in visits(page_name, how).facts["attention"]:
        assert view["text"] and view["height"] > 50 and view["empty"] == 0, view


def test_every_control_changes_its_picture(page_name: str, visits: Visits):
    assert [control for control in visits(page_name, 1440).controls if not control["changed"]] == []


@ways
def test_links_within_the_page_lead_somewhere(page_name: str, how: int | str, visits: Visits):
    assert visits(page_name, how).facts["lost"] == []


@pytest.mark.parametrize("where", ["narrow", "light", "dark"])
def test_axe_finds_nothing_serious(page_name: str, where: str, visits: Visits):
    found = visits(page_name, 390 if where == "narrow" else 1440).axe[where]
    excluded = [
        one for one in found for rule, part in EXCLUDED if one["rule"] == rule and part in one["html"] + one["target"]
    ]
    serious = [one for one in found if one["impact"] in ("serious", "critical") and one not in excluded]
    assert serious == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_in_drawings_and_code_stands_out(page_name: str, theme: str, visits: Visits):
    assert visits(page_name, 1440).pale[theme] == []


def test_a_page_is_light(page_name: str, visits: Visits, record_property):
    visit = visits(page_name, 1440)
    weight, kinds = visit.facts["weight"], visit.facts["kinds"]
    record_property(page_name, (weight["html"], weight["bytes"], visit.seconds))
    parts = ["plain", *(kind for kind, there in kinds.items() if there)]
    besides = weight["bytes"] - weight["html"]
    assert besides <= 1000 * sum(BUDGET[part] for part in parts), sorted(weight["sizes"].items())
    assert weight["html"] <= 1000 * sum(HTML_BUDGET[part] for part in parts)
