"""Means and signs over tasks, by hand."""

import pandas as pd
import pytest

from helpers.studies.which_search import verdicts


def rows(measure: str, values: dict[str, list[float]], model: str = "atlas", **more) -> pd.DataFrame:
    made = [
        dict(model=model, task=f"task {n}", search=search, measure=measure, value=value, **more)
        for search, column in values.items()
        for n, value in enumerate(column)
    ]
    return pd.DataFrame(made)


def test_a_gain_is_positive_where_it_is_better():
    table = {"EAP-IG": [0.2, 0.4], "CEAP": [0.1, 0.5]}
    assert verdicts.gain(rows("CPR", table), "CEAP").tolist() == pytest.approx([-0.1, 0.1])
    assert verdicts.gain(rows("CMD", table), "CEAP").tolist() == pytest.approx([0.1, -0.1])
    drawn = pd.concat([rows("CPR", {"random": [0.0]}), rows("CPR", {"random": [0.2], "EAP-IG": [0.5]})])
    assert verdicts.gain(drawn, "random").tolist() == pytest.approx([-0.4]), "the mean of the draws"
    with pytest.raises(ValueError, match="choose one measure"):
        verdicts.gain(pd.concat([rows("CPR", table), rows("CMD", table)]), "CEAP")


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ([0.1] * 8 + [-0.1], "yes: better in 8 of 9 tasks, mean +0.08"),
        ([0.1] * 7 + [-0.1] * 2, "open: better in 7 of 9 tasks, mean +0.06"),
        ([-0.2] * 9, "no: better in 0 of 9 tasks, mean -0.20"),
        ([0.1, 0.3], "open: better in 2 of 2 tasks, mean +0.20"),
        ([0.0] * 9, "no: better in 0 of 9 tasks, mean +0.00"),
    ],
)
def test_a_sign_is_compared_with_a_coin(gains, expected):
    assert verdicts.told(pd.Series(gains)) == expected


def test_tables_have_means_over_tasks():
    kinds = {"faithfulness": 0.5, "small CMD": 0.3, "CMD": 0.1, "CPR": 0.9}
    parts = []
    for kind, value in kinds.items():
        two = {"EAP-IG": [value, value], "GIM": [value - 0.2, value + 0.1]}
        parts.append(rows(kind, two, edges=50 if kind == "faithfulness" else None))
    table = verdicts.areas(pd.concat(parts), 50)
    gim = table.loc["GIM"]
    assert gim["50 edges keep"] == pytest.approx(0.45) and gim["CMD"] == pytest.approx(0.05)
    assert gim["beats EAP-IG"] == "1 of 2" and table.loc["EAP-IG"]["beats EAP-IG"] == "-"
    assert table.index.tolist() == ["GIM", "EAP-IG"], "the least distance first"


def test_incompleteness_is_of_sets_with_nodes():
    stable = pd.concat([rows("another draw", {"GIM": [0.4, 0.6]}, model) for model in verdicts.NAMES])
    complete = pd.concat(
        [rows("incompleteness", {"GIM": [value]}, nodes=nodes) for nodes, value in ((0, 9.0), (1, 0.1), (2, 0.3))]
    )
    table = verdicts.again(stable, complete)
    assert table.loc["GIM"]["Atlas"]["incompleteness"] == pytest.approx(0.2)
    assert table.loc["GIM"]["SmolLM2"]["another draw"] == pytest.approx(0.5)
