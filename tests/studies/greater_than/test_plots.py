"""Figures about years hold the numbers that they were given."""

import pandas as pd
import pytest
import torch

from helpers.studies.greater_than.plots import falls, halves, head_maps, year_maps


def test_year_maps_share_one_scale():
    maps = {"one": torch.eye(3, 100), "two": -2 * torch.ones(3, 100), "three": torch.zeros(3, 100)}
    figure = year_maps(maps, [3, 50, 97], title="finding", unit="logits")
    heat = [trace for trace in figure.data if trace.type == "heatmap"]
    assert [trace.z.shape for trace in heat] == [(3, 100)] * 3 and list(heat[0].y) == [3, 50, 97]
    assert figure.layout.coloraxis.cmax == 2 == -figure.layout.coloraxis.cmin
    assert figure.layout.title.text == "finding" and figure.layout.coloraxis.colorbar.title.text == "logits"
    assert [a.text for a in figure.layout.annotations] == ["one", "two", "three"]
    unsigned = year_maps({"p": torch.ones(3, 100)}, [3, 50, 97], title="t", unit="P", signed=False, top=0.5)
    assert unsigned.layout.coloraxis.cmin == 0 and unsigned.layout.coloraxis.cmax == 0.5
    with pytest.raises(ValueError, match="no maps"):
        year_maps({}, [], title="t", unit="u")


def test_falls_have_a_panel_for_each_ablation():
    rows = [(m, p, a, 0.5) for m in ("m0", "m1") for p in ("end", "start") for a in ("corrupt", "mean")]
    table = pd.DataFrame(rows, columns=["mlp", "place", "ablation", "fall"])
    figure = falls(table, {"end": "mover", "start": "other"}, title="t", unit="fall")
    assert [a.text for a in figure.layout.annotations] == ["ablation: corrupt", "ablation: mean"]
    assert len(figure.data) == 4 and list(figure.data[0].y) == [0.5, 0.5]


def test_halves_draw_each_neuron_twice():
    figure = halves(torch.ones(2, 3), torch.zeros(2, 100), [3, 50, 97], ["a", "b"], title="t")
    assert [trace.name for trace in figure.data] == ["a", "a", "b", "b"]
    assert list(figure.data[0].x) == [3, 50, 97] and len(figure.data[1].y) == 100
    assert [trace.showlegend for trace in figure.data] == [True, False] * 2


def test_head_maps_stand_side_by_side():
    figure = head_maps({"one": torch.eye(2), "two": torch.zeros(2, 2)}, title="t", unit="attention")
    assert figure.data[0].z.tolist() == [[1, 0], [0, 1]] and list(figure.data[0].y) == ["a0", "a1"]
    assert figure.layout.coloraxis.cmax == 1
