"""What a reader does: searches, follows links, changes the theme, unfolds, all by mouse and by keyboard."""

from collections.abc import Callable

import pytest
from browsers import HTML
from playwright.sync_api import Page, expect

FRONT = "book/index.html"
CHAPTER = "book/03_edge_pruning.html"
Open = Callable[..., Page]


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_search_finds_a_word(scheme: str, opened: Open, root: str):
    place = root if scheme == "http" else HTML.as_uri() + "/"
    page = opened(place + "search.html?q=circuit", unfolded=False)
    results = page.locator("#search-results li a")
    expect(results.first).to_be_visible()
    expect(page.locator("#search-results")).to_contain_text("Search finished")
    assert results.count() >= 5
    if scheme == "http":  # from a file the browser forbids to read other pages: titles without their sentences
        expect(page.locator("#search-results li p.context").first).to_contain_text("ircuit")
    results.first.click()
    page.wait_for_url("**/book/*.html*")


def test_search_finds_nothing_for_nonsense(opened: Open, root: str):
    page = opened(root + "search.html?q=xqzvwk", unfolded=False)
    expect(page.locator("#search-results")).to_contain_text("did not match any documents")


def test_the_search_field_opens_by_keyboard(opened: Open, root: str):
    page = opened(root + FRONT, unfolded=False)
    page.keyboard.press("Control+k")
    field = page.locator("input[type=search]:focus")
    expect(field).to_be_visible()
    field.fill("induction")
    field.press("Enter")
    page.wait_for_url("**/search.html?q=induction*")
    expect(page.locator("#search-results li a").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_sidebar_and_next_lead_on(scheme: str, opened: Open, root: str):
    place = root if scheme == "http" else HTML.as_uri() + "/"
    page = opened(place + FRONT, unfolded=False)
    page.locator(".bd-sidebar-primary nav a[href$='03_edge_pruning.html']").click()
    page.wait_for_url("**/" + CHAPTER)
    page.locator("a.right-next").click()
    page.wait_for_url("**/book/04_*.html")
    expect(page.locator("article h1")).to_be_visible()


def test_a_box_that_scrolls_stays_within_reach(opened: Open, root: str):
    page = opened(root + CHAPTER, width=390)
    box = page.locator("article pre[tabindex='0']").first
    place = box.get_attribute("id")
    box.evaluate("box => (box.tabIndex = -1)")  # as the theme's script does before a box has its width
    expect(page.locator(f"article pre#{place}")).to_have_attribute("tabindex", "0")


def test_the_books_own_address_leads_to_the_front_page(tab: Callable[[str], Page], root: str):
    page = tab("http")
    page.goto(root)
    page.wait_for_url("**/" + FRONT)


def test_the_pages_contents_scroll_to_a_section(opened: Open, root: str):
    page = opened(root + CHAPTER, unfolded=False)
    link = page.locator(".bd-sidebar-secondary nav a").nth(3)
    target = link.get_attribute("href")
    link.click()
    expect(page.locator(target)).to_be_in_viewport()


def test_an_anchor_of_another_page_is_shown(opened: Open, root: str):
    page = opened(root + "book/glossary.html", unfolded=False)
    term = page.locator("dl.glossary dt[id]").nth(20).get_attribute("id")
    page = opened(f"{root}book/glossary.html#{term}", unfolded=False)
    expect(page.locator(f"#{term}")).to_be_in_viewport()


def test_the_phones_menu_opens_and_leads_on(opened: Open, root: str):
    page = opened(root + FRONT, width=390, unfolded=False)
    page.locator("button.primary-toggle").click()
    link = page.locator("a[href$='03_edge_pruning.html']:visible").first
    expect(link).to_be_visible()
    link.click()
    page.wait_for_url("**/" + CHAPTER)


def test_the_theme_button_makes_the_page_dark(opened: Open, root: str):
    page = opened(root + FRONT, unfolded=False)
    button = page.locator("button.theme-switch-button:visible").first
    for _ in range(3):
        button.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark" and back == "rgb(18, 24, 27)"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark", "the choice is kept"


def test_folded_code_and_solutions_unfold_by_keyboard(opened: Open, root: str):
    page = opened(root + CHAPTER, unfolded=False)
    code = page.locator("details.hide summary").first
    code.focus()
    page.keyboard.press("Enter")
    expect(page.locator("details.hide").first).to_have_attribute("open", "")
    solution = page.locator(".admonition.solution.dropdown").first
    assert "toggle-hidden" in solution.get_attribute("class")
    solution.locator("button.toggle-button").focus()
    page.keyboard.press("Enter")
    assert "toggle-hidden" not in solution.get_attribute("class")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_verdict_of_an_exercise_has_the_colours_of_the_page(theme: str, opened: Open, root: str):
    page = opened(root + CHAPTER)
    page.emulate_media(color_scheme=theme)
    page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
    boxes = (
        "[...document.querySelectorAll('.text_html:has(.kc-verdict)')].map(b => getComputedStyle(b).backgroundColor)"
    )
    colours = page.evaluate(boxes)
    assert colours and all("0, 0, 0, 0" in colour or theme == "light" for colour in colours)
