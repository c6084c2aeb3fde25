"""The page that explains the colours names exactly those of the figures."""

import re
import sys
from pathlib import Path

import pytest

from helpers.figures import display

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import colours  # noqa: E402

NOTATION = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
LINES = re.search(r"```\{colour-meanings\}\n(.*?)```", NOTATION, re.S)[1].splitlines()


def test_colours_are_read_from_the_library():
    assert colours.colors_of((ROOT / "helpers" / "figures" / "display.py").read_text(encoding="utf-8")) == dict(
        display.COLORS
    )
    with pytest.raises(ValueError, match="no COLORS"):
        colours.colors_of("x = 1")


def test_prose_and_colors_agree_and_no_hex_value_is_typed():
    groups = colours.meanings_of(LINES, display.COLORS)
    assert all(len(told.split()) >= 3 for group in groups.values() for told in group.values())
    assert not re.search(r"#[0-9a-f]{6}", NOTATION)


def test_the_page_shows_a_swatch_and_a_sentence_for_each():
    page = colours.draw(colours.meanings_of(LINES, display.COLORS), display.COLORS)
    for name, value in display.COLORS.items():
        assert re.search(rf"background: {value}.*?<strong>{name}</strong>: \w", page)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a: one"], "differ"),
        (["a: one", "b: two", "c: x"], "differ"),
        (["a: 1", "a: 2", "b: 3"], "twice"),
        (["a"], "neither"),
    ],
)
def test_missing_unknown_and_doubled_names_stop_the_build(lines, message):
    with pytest.raises(ValueError, match=message):
        colours.meanings_of(lines, {"a": "#111111", "b": "#222222"})
