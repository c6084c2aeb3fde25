"""The committed tables are what the code gives, and each entry is a faithfulness that the library measures alone."""

import pytest

from helpers import faithfulness, load_model
from helpers.circuits.circuit import random_circuit
from helpers.searches.attribution import eap_ig
from helpers.studies.other_circuits import unrelated, unrelated_circuit
from helpers.studies.tables import read_table
from helpers.studies.what_relations_share.circuits import (
    MODELS,
    SIZE,
    SIZES,
    asked,
)
from helpers.studies.what_relations_share.transfer import (
    CUT_EVERY,
    FOREIGN,
    HEADS,
    RANDOM,
    UNRELATED,
    WORDS,
    Found,
    cut_rows,
    far_relations,
    overlap_rows,
    relation_row,
    size_rows,
    transfer_rows,
)

NAMES = ("country_capital", "plural", "resident_dish", "firm_seat")
MODEL = "atlas2"


@pytest.fixture(scope="module")
def every():
    model = load_model(MODEL, device="cpu")
    pairs = {name: asked(model, name, 0) for name in NAMES}
    found = {
        half: {name: eap_ig(model, getattr(one, half)) for name, one in pairs.items()}
        for half in ("train", "test", "reworded")
    }
    return Found(model, pairs, *found.values())


def test_what_is_kept_is_faithfulness(every):
    name, size = "country_capital", SIZE[MODEL]
    rows = transfer_rows(every, name, size).set_index("circuit").kept
    assert list(rows.index) == [*NAMES, UNRELATED, WORDS, RANDOM, HEADS]
    model, test = every.model, every.asked[name].held_out
    for other in ("country_capital", "plural"):
        value = float(faithfulness(model, every.scores[other].greedy(size), test))
        assert rows[other] == pytest.approx(value, abs=1e-4)
    own = every.scores[name].greedy(size)
    drawn = [float(faithfulness(model, random_circuit(own.graph, seed=n, like=own), test)) for n in range(3)]
    assert rows[HEADS] == pytest.approx(sum(drawn) / 3, abs=1e-4)


def test_the_committed_entries_are_what_the_code_gives(every):
    table = read_table("shared_transfer").query("model == @MODEL").set_index(["asked", "circuit"]).kept
    for name in ("country_capital", "plural"):
        rows = transfer_rows(every, name, SIZE[MODEL]).set_index("circuit").kept
        for other in (*NAMES, WORDS, RANDOM, HEADS):
            assert table[name, other] == pytest.approx(rows[other], abs=0.02)
    overlap = read_table("shared_overlaps").query("model == @MODEL").set_index(["asked", "circuit"]).shared
    for row in overlap_rows(every, SIZE[MODEL]).itertuples():
        assert overlap[row.asked, row.circuit] == pytest.approx(row.shared, abs=0.03)
    asked = read_table("shared_relations").query("model == @MODEL").set_index("relation")
    again = relation_row(every, "plural")
    assert asked.loc["plural", ["subject_tokens", "tokens_after"]].tolist() == pytest.approx(
        [again["subject_tokens"], again["tokens_after"]], abs=1e-3
    )


def test_all_relations_are_in_all_tables():
    tables = {name: read_table(f"shared_{name}") for name in ("relations", "transfer", "overlaps", "cuts", "sizes")}
    for model in MODELS:
        names = list(tables["relations"].query("model == @model").relation)
        assert len(names) == len(set(names)) >= 16
        for name in ("transfer", "overlaps"):
            own = tables[name].query("model == @model")
            between = own[own.circuit.isin(names)]
            assert len(between) == len(names) ** 2 and set(own.asked) == set(names)
        assert set(tables["cuts"].query("model == @model").asked) == set(names[:: CUT_EVERY[model]])
        sizes = tables["sizes"].query("model == @model")
        assert len(sizes) == len(names) * len(SIZES[model])


def test_cuts(every):
    name, size = "plural", SIZE[MODEL]
    rows = cut_rows(every, name, size)
    own = every.scores[name].greedy(size)
    far = far_relations(every, name)
    assert len(far) == FOREIGN == len(set(far)) and name not in far
    by_cut = rows.set_index(["circuit", "cut"])
    for other in far:
        theirs = every.scores[other].greedy(size)
        only = by_cut.loc[other, "only its own"], by_cut.loc[other, "only the other's"]
        assert only[0].edges == only[1].edges == (own - theirs).n_edges
        left = faithfulness(every.model, ~(own - theirs), every.asked[name].held_out)
        assert only[0].left == pytest.approx(float(left), abs=1e-4)
    assert by_cut.loc[name, "whole"].left < 0.1


def test_sizes(every):
    rows = list(size_rows(every, "plural", (25, 100)))
    test = every.asked["plural"].held_out
    own = float(faithfulness(every.model, every.scores["plural"].greedy(25), test))
    assert rows[0]["own"] == pytest.approx(own, abs=1e-4)
    common = unrelated_circuit(every.scores, "plural", 100)
    assert rows[1]["unrelated"] == pytest.approx(float(faithfulness(every.model, common, test)), abs=1e-4)


def test_unrelated():
    others = ["country_capital", "capital_country", "country_language", "person_language", "plural"]
    assert unrelated("country_language", others) == ["capital_country", "plural"]
    assert unrelated("person_language", others) == ["country_capital", "capital_country", "plural"]
