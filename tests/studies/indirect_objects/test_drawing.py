"""Drawings are well-formed, hold every head that has room, and say where a class is empty."""

import re
from xml.etree import ElementTree

from helpers.studies.indirect_objects import drawing


def texts(html):
    return " ".join(ElementTree.fromstring(html).itertext())


def test_both_circuits_name_their_heads():
    ours = {kind: ["a1.h2"] for kind in drawing.GPT2} | {"S suppression": ["a23.h3"], "backup mover": []}
    html = drawing.side_by_side({"GPT-2 small": drawing.GPT2, "ours": ours}).data
    said = texts(html)
    assert "9.9, 10.0, 9.6" in said and "9.0, 9.7, 10.1 +5" in said and "none" in said
    assert said.count("S suppression") == 1, "the paper has no such class"
    assert len(ElementTree.fromstring(html)) == 2


def test_twenty_six_heads_in_seven_classes():
    heads = [head for members in drawing.GPT2.values() for head in members]
    assert len(drawing.GPT2) == 7 and len(set(heads)) == len(heads) == 26


def test_the_shortcut_stays_inside_its_picture():
    html = drawing.shortcut().data
    width, height = map(float, re.search(r'viewBox="0 0 (\S+) (\S+)"', html).groups())
    for x, y, wide, high in re.findall(r'<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"', html):
        assert 0 <= float(x) and float(x) + float(wide) <= width
        assert 0 <= float(y) and float(y) + float(high) <= height
    assert "write against John" in texts(html)
