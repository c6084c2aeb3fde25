"""Figures about years hold the numbers that they were given."""

import pytest
import torch

from helpers.studies.greater_than.drawing import two_digits_fetched
from helpers.studies.greater_than.plots import DIGITS, year_maps


def test_year_maps_share_one_scale():
    maps = {"one": torch.eye(3, 100), "two": -2 * torch.ones(3, 100), "three": torch.zeros(3, 100)}
    figure = year_maps(maps, [3, 50, 97], title="finding", unit="logits")
    heat = [trace for trace in figure.data if trace.type == "heatmap"]
    assert [trace.z.shape for trace in heat] == [(3, 100)] * 3 and list(heat[0].y) == [3, 50, 97]
    assert figure.layout.coloraxis.cmax == 2 == -figure.layout.coloraxis.cmin
    assert figure.layout.title.text == "finding" and figure.layout.coloraxis.colorbar.title.text == "logits"
    assert [a.text for a in figure.layout.annotations] == ["one", "two", "three"]
    unsigned = year_maps({"p": torch.ones(3, 100)}, [3, 50, 97], title="t", unit="P", signed=False)
    assert unsigned.layout.coloraxis.cmin == 0 and unsigned.layout.coloraxis.cmax == 1
    with pytest.raises(ValueError, match="no maps"):
        year_maps({}, [], title="t", unit="u")


def test_panels_stand_one_below_the_other():
    maps = {"one": torch.eye(8, 10), "two": torch.eye(8, 10)}
    layout = year_maps(maps, range(1, 9), title="t", unit="P", axes=DIGITS).layout
    assert layout.yaxis.domain[0] > layout.yaxis2.domain[1] and layout.xaxis.domain == layout.xaxis2.domain
    assert layout.xaxis2.title.text == "next digit" and layout.yaxis.title.text == "starting decade"


def test_the_drawing_names_its_parts():
    drawn = two_digits_fetched("a1.h2", "a3.h4", "m5").data
    assert all(name in drawn for name in ("a1.h2 reads the tens", "a3.h4 reads the units", "m5 compare"))
    assert drawn.count("<svg") == drawn.count("</svg>") == 1
