"""One value for each relation: small tables by hand."""

import pandas as pd
import pytest

from helpers.studies.what_relations_share import opponents
from helpers.studies.what_relations_share.transfer import HEADS, RANDOM, UNRELATED, WORDS


def rows(value: str, table: dict) -> pd.DataFrame:
    return pd.DataFrame(
        [(a, c, v) for a, own in table.items() for c, v in own.items()], columns=["asked", "circuit", value]
    )


KEPT = rows(
    "kept",
    {
        "a": {"a": 0.9, "b": 0.5, "c": 0.7, UNRELATED: 0.4, WORDS: 0.8, RANDOM: 0, HEADS: 0.2},
        "b": {"a": 0.3, "b": 0.8, "c": 0.1, UNRELATED: 0.2, RANDOM: 0, HEADS: 0.1},
        "c": {"a": 0.6, "b": 0.7, "c": 0.6, UNRELATED: 0.5, WORDS: 0.9, RANDOM: 0, HEADS: 0.3},
    },
)


def test_kept():
    each = opponents.kept_by_relation(KEPT)
    assert each[opponents.OWN].tolist() == [0.9, 0.8, 0.6]
    assert each[opponents.OTHERS].tolist() == pytest.approx([0.6, 0.2, 0.65])
    assert each[opponents.BEST].tolist() == [0.7, 0.3, 0.7]
    assert each[WORDS].isna().tolist() == [False, True, False]
    table = opponents.faced(each)
    assert table.loc[opponents.OTHERS, "in"] == "2 of 3" and table.loc[WORDS, "in"] == "1 of 2"
    assert table.loc[RANDOM, "keeps"] == "0.00" and table.loc[RANDOM, "own more by"].startswith("0.77 [")
    assert opponents.means(each)[opponents.OWN] == pytest.approx(2.3 / 3)


def test_overlaps():
    shared = rows("shared", {n: {"a": 0.5, "b": 0.4, "c": 0.3} for n in "abc"})
    table = pd.concat([shared.assign(chance=0.2), rows("shared", {"a": {WORDS: 0.45}})])
    each = opponents.overlap_by_relation(table)
    assert each[opponents.AGAIN].tolist() == [0.5, 0.4, 0.3]
    assert each[opponents.OTHERS].tolist() == pytest.approx([0.35, 0.4, 0.45])
    assert (each[opponents.CHANCE] == 0.2).all() and each[WORDS].count() == 1
    assert opponents.standing(each) == pytest.approx((0.4 - 0.2) / (0.4 - 0.2))


def test_losses():
    table = pd.DataFrame(
        [
            ("a", "a", "whole", 0.0),
            ("a", "b", "whole", 0.1),
            ("a", "c", "whole", 0.3),
            ("a", HEADS, "whole", 0.5),
            ("a", RANDOM, "whole", 1.0),
            ("a", "b", "only its own", 0.4),
            ("a", "c", "only its own", 0.6),
            ("a", "b", "only the other's", 0.9),
        ],
        columns=["asked", "circuit", "cut", "left"],
    )
    lost = opponents.lost_by_relation(table).loc["a"]
    assert lost.tolist() == pytest.approx([1, 0.8, 0.5, 0, 0.5, 0.1])
