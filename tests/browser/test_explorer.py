"""The circuit explorer in a browser, over the built book: choosing, opening, comparing, addresses, keys; from disk."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from visit import Visit, prepared, watching

ADDRESS = (Path(__file__).resolve().parents[2] / "_build" / "html" / "book" / "explorer.html").as_uri()
PATIENCE = 30_000


@pytest.fixture
def explorer(tab: Callable[[str], Page]) -> Iterator[Callable[..., Page]]:
    """Return a function that opens the page from disk; errors and requests elsewhere fail the test."""
    page = tab("file")

    def open_at(choice: str = "#model=atlas", width: int = 1440, scheme: str = "light") -> Page:
        prepared(page, width, scheme).goto(ADDRESS + choice)
        settled(page)
        return page

    with watching(page, Visit(ADDRESS)) as seen:
        yield open_at
    assert seen.errors + seen.foreign == []


def settled(page: Page) -> None:
    """Wait until what is shown is what the address says."""
    page.wait_for_function(
        "() => { const at = document.getElementById('kc-explorer').dataset.ready;"
        " return at && at === kcExplorer.address(kcExplorer.readState()); }",
        timeout=PATIENCE,
    )


def edges(page: Page) -> list[str]:
    return page.locator(".kcx-table tbody td:nth-child(2)").all_text_contents()


def says(page: Page) -> str:
    return page.locator(".kcx-summary").inner_text()


def test_it_begins_with_capitals(explorer):
    page = explorer()
    assert re.search(r"50 edges keep \d\d %.*50 random edges keep 0 %", says(page))
    assert "The capital of" in says(page) and len(edges(page)) == 50
    assert page.locator(".kcx-node").count() == 56


def test_the_first_model_is_the_real_one_and_the_other_can_be_chosen(explorer):
    page = explorer("")
    assert re.search(r"200 edges keep \d\d %.*200 random edges keep \d %", says(page))
    assert "model=smollm2" in page.evaluate("kcExplorer.address(kcExplorer.readState())") and len(edges(page)) == 200
    page.locator('[data-node="a23.h4"]').click()
    settled(page)
    assert "a23.h4: mover" in page.locator(".kcx-panel").inner_text()
    page.select_option("#kcx-model", "atlas")
    page.wait_for_function("() => document.getElementById('kc-explorer').dataset.ready.includes('model=atlas')")
    assert "model=atlas" in page.url and page.locator(".kcx-node").count() == 56


def test_layers_without_edges_are_gaps_until_all_are_asked_for(explorer):
    page = explorer("#model=smollm2&size=100")
    assert page.locator(".kcx-gap").count() > 0 and page.locator(".kcx-node").count() < 302
    page.select_option("#kcx-layers", "all")
    settled(page)
    assert "layers=all" in page.url and page.locator(".kcx-gap").count() == 0
    assert page.locator(".kcx-node").count() == 302


def test_by_roles_only_layers_with_named_heads_have_rows_and_the_other_edges_are_merged(explorer):
    page = explorer("#model=smollm2&layers=roles")
    drawn = page.evaluate("kcExplorer.drawnEdges().map((e) => [e.from, e.to, e.count || 0])")
    assert len(drawn) < 200 and len(edges(page)) == 200, "the table still has all edges"
    assert any(start.startswith("gap-") and count > 1 for start, _, count in drawn)
    assert not any(start == end for start, end, _ in drawn)
    kinds = page.locator('.kcx-node[aria-label*="mover"]')
    assert kinds.count() > 0 and page.locator(".kcx-gap").count() > 0
    page.locator(".kcx-gap").first.click()
    settled(page)
    assert "layers=all" in page.url


def test_arrow_keys_reach_the_gaps(explorer):
    page = explorer("#model=smollm2&layers=roles")
    page.locator('.kcx-node[tabindex="0"]').focus()
    seen = set()
    for _ in range(45):
        page.keyboard.press("ArrowDown")
        seen.add(page.evaluate("document.activeElement.dataset.node"))
    gaps = {gap.get_attribute("data-node") for gap in page.locator(".kcx-gap").all()}
    assert gaps and gaps <= seen and "embed" in seen


def test_keys_zoom_and_move_the_picture(explorer):
    page = explorer("#model=smollm2")
    page.locator('.kcx-node[tabindex="0"]').focus()
    over = "() => document.querySelector('.kcx-over').style.transform"
    page.keyboard.press("+")
    zoomed = page.evaluate(over)
    page.keyboard.press("Shift+ArrowDown")
    assert "scale(1.5)" in zoomed and page.evaluate(over) != zoomed
    page.keyboard.press("0")
    assert "scale(1)" in page.evaluate(over)


def test_choices_change_circuit_and_address(explorer):
    page = explorer()
    page.select_option("#kcx-relation", "capital_country")
    settled(page)
    other = edges(page)
    assert "relation=capital_country" in page.url
    page.select_option("#kcx-method", "eap")
    settled(page)
    assert "method=eap" in page.url and edges(page) != other
    page.locator("#kcx-size").press("End")
    settled(page)
    assert "size=200" in page.url and len(edges(page)) == 200
    page.select_option("#kcx-ablation", "zero")
    settled(page)
    assert "ablation=zero" in page.url
    page.select_option("#kcx-method", "acdc")
    settled(page)
    assert page.locator("#kcx-size").is_disabled() and "ablation=corrupt" in page.url


def test_smaller_circuits_lie_in_larger_ones(explorer):
    page, found = explorer(), []
    for size in (25, 50, 100, 200):
        page.goto(f"{ADDRESS}#relation=antonym&size={size}")
        settled(page)
        found.append(set(edges(page)))
    assert [len(each) for each in found] == [25, 50, 100, 200]
    assert all(small < large for small, large in zip(found, found[1:], strict=False))


def test_pointing_at_an_edge_tells_its_score(explorer):
    page = explorer()
    middle = (
        "() => { const box = document.querySelector('.kcx-canvas');"
        " box.scrollIntoView({block: 'center', behavior: 'instant'});"
        " const edge = box._cyreg.cy.edges().filter("
        " e => e.data('edge').name === 'm0→logits')[0]; const at = edge.renderedMidpoint();"
        " const {left, top} = box.getBoundingClientRect(); return [left + at.x, top + at.y]; }"
    )
    tip = page.locator(".kcx-tip")
    for _ in range(20):  # the picture may still be moving to its place
        page.mouse.move(*page.evaluate(middle))
        page.wait_for_timeout(250)
        if tip.is_visible():
            break
    expect(tip).to_be_visible()
    assert re.search(r"→\w+.*score [+−]\d.*rank \d+ of 50", tip.inner_text(), re.S)
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()


def test_a_head_opens_with_class_numbers_attention_and_words(explorer):
    page = explorer()
    page.locator('[data-node="a4.h6"]').click()
    settled(page)
    panel = page.locator(".kcx-panel")
    assert "show=a4.h6" in page.url and "a4.h6: mover" in panel.inner_text()
    assert panel.locator(".kcx-rules tbody tr").count() == 5 and panel.locator(".kcx-met").count() >= 2
    tokens = panel.locator(".kcx-attention tbody tr").count()
    assert tokens >= 5 and panel.locator(".kcx-attention td:not(.kcx-none)").count() >= tokens * (tokens + 1) // 2
    assert panel.locator(".kcx-words .kcx-word").count() == 5
    before = panel.locator(".kcx-attention").inner_text()
    page.select_option("#kcx-prompt", "2")
    settled(page)
    assert panel.locator(".kcx-attention").inner_text() != before and "prompt=2" in page.url
    panel.get_by_role("button", name="Close").click()
    settled(page)
    assert "Strongest parts" in panel.inner_text()


def test_a_layer_and_an_mlp_open_the_lens(explorer):
    page = explorer()
    for name, marked in (("layer-4", 2), ("m5", 1), ("logits", 1), ("embed", 1)):
        page.locator(f'[data-node="{name}"]').click()
        settled(page)
        assert page.locator(".kcx-lens tbody tr").count() == 13
        assert page.locator(".kcx-lens .kcx-mine").count() == marked
    page.locator(".kcx-lens tbody tr").first.locator("td").last.locator("button").focus()
    detail = page.locator(".kcx-detail")
    assert "Behind m5" in detail.inner_text() and detail.locator(".kcx-word").count() == 5


def test_two_circuits_are_counted_and_coloured(explorer):
    page = explorer("#relation=country_capital&with=country_currency&size=100")
    shared, union = map(int, re.search(r"(\d+) of (\d+) edges are in both", says(page)).groups())
    assert len(edges(page)) == union and shared + (union - shared) == union
    legend = page.locator(".kcx-legend").inner_text()
    first, both, second = (
        int(re.search(rf"{part}: (\d+)", legend)[1]) for part in ("only first", "both", "only second")
    )
    assert (both, first + both, second + both) == (shared, 100, 100)
    blind, heads = map(int, re.search(r"By chance: (\d+) %.*?(\d+) %", says(page), re.S).groups())
    assert blind < heads < 100 * shared / union
    page.locator("#kcx-swap").click()
    settled(page)
    assert (
        "relation=country_currency" in page.url and f"only first: {second}" in page.locator(".kcx-legend").inner_text()
    )


@pytest.mark.parametrize("kind", ["edit", "list"])
def test_ready_pairs_can_be_compared(kind, explorer):
    page = explorer()
    values = page.locator("#kcx-couple option").evaluate_all("all => all.map(one => one.value)")
    page.select_option("#kcx-couple", next(value for value in values if value.startswith(kind)))
    settled(page)
    assert "are in both circuits" in says(page) and f"with={kind}." in page.url
    page.locator('[data-node="m0"]').click()
    settled(page)
    page.locator(".kcx-sides button").nth(1).click()
    settled(page)
    assert "side=2" in page.url and page.locator(".kcx-sides [aria-pressed=true]").count() == 1


def test_the_address_says_everything_and_back_goes_back(explorer):
    page = explorer("#relation=plural&method=eap&ablation=corrupt&size=25&show=m3")
    assert page.locator("#kcx-relation").input_value() == "plural" and len(edges(page)) == 25
    assert "m3: the MLP of layer 3" in page.locator(".kcx-panel").inner_text()
    page.select_option("#kcx-relation", "antonym")
    settled(page)
    page.go_back()
    settled(page)
    assert page.locator("#kcx-relation").input_value() == "plural"


def test_unknown_choices_are_answered_kindly(explorer):
    page = explorer("#relation=moon_capital")
    answers = {
        "#relation=moon_capital": "no questions called “moon_capital”",
        "#size=51": "There is no circuit of 51 edges",
        "#method=magic": "“magic” with corrupt prompt was not searched here",
        "#method=acdc&ablation=zero": "ACDC with zero was not searched here",
        "#show=a9.h9": "There is no part “a9.h9”",
        "#with=nobody": "no questions called “nobody”",
        "#colour=red": "“colour”, which means nothing here",
        "#relation=%E0%A4%A": "no questions called",
    }
    for choice, sentence in answers.items():
        page.goto(ADDRESS + choice)
        expect(page.locator(".kcx-summary"), choice).to_contain_text(sentence, timeout=PATIENCE)
        expect(page.locator(".kcx-node"), choice).to_have_count(56)


def test_keys_move_open_and_close(explorer):
    page = explorer()
    page.locator('.kcx-node[tabindex="0"]').focus()
    focused = "() => document.activeElement.dataset.node"
    assert page.evaluate(focused) == "logits"
    for key, name in (("ArrowDown", "m5"), ("ArrowLeft", "a5.h7"), ("ArrowDown", "a4.h7"), ("ArrowLeft", "a4.h6")):
        page.keyboard.press(key)
        assert page.evaluate(focused) == name
    page.keyboard.press("e")
    assert re.search(r"a4\.h6.*score.*rank", page.locator(".kcx-live").inner_text())
    expect(page.locator(".kcx-tip")).to_be_visible()
    page.keyboard.press("Enter")
    settled(page)
    assert "show=a4.h6" in page.url
    page.keyboard.press("Escape")
    settled(page)
    assert "show=" not in page.url and page.evaluate(focused) == "a4.h6"
    page.keyboard.press("?")
    expect(page.locator("#kc-explorer dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#kc-explorer dialog")).to_be_hidden()


def test_it_follows_the_theme_while_it_is_open(explorer):
    page = explorer(scheme="dark")
    colour = "() => document.querySelector('.kcx-canvas')._cyreg.cy.$id('a4.h7').style('background-color')"
    dark = page.evaluate(colour)
    page.evaluate("() => (document.documentElement.dataset.theme = 'light')")
    page.wait_for_function(f"before => ({colour})() !== before", arg=dark)


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_window(width, explorer):
    page = explorer("#show=layer-3", width)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    box = page.locator(".kcx-picture").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width


def test_without_scripts_a_sentence_says_so(browser):
    page = browser.new_page(java_script_enabled=False)
    page.goto(ADDRESS)
    assert "scripts are off" in page.locator("#kc-explorer noscript").inner_text()
    page.close()
