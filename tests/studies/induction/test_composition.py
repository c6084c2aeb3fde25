"""Composition: a hand-made case, the planted pair, cuts against whole circuits, bad inputs."""

import pytest

from helpers import Circuit, Graph, logit_diff, run_circuit
from helpers.atlas.planted import planted_induction
from helpers.atlas.skills import induction_pairs
from helpers.circuits.evaluation import cut_effect, edges_from
from helpers.circuits.metrics import match_nll
from helpers.studies.induction.composition import composition
from helpers.studies.induction.keys import attention_without


@pytest.fixture(scope="module")
def toy():
    return planted_induction()


def test_the_planted_edge_tells_the_head_where_to_look(toy):
    keyed = attention_without(toy.model, toy.pairs, "a1.h0").set_index("source")
    assert keyed.attention["none"] - keyed.attention["a0.h0"] > 0.2
    assert keyed.index[1] == "a0.h0"
    assert keyed.attention["a0.h1"] == pytest.approx(keyed.attention["none"], abs=1e-3)


def test_attention_is_what_the_pattern_hook_gives(atlas):
    pairs = induction_pairs(atlas, 6, seed=5)
    row = attention_without(atlas, pairs, "a3.h2").iloc[0]
    paid = []
    for _, group in pairs.groups():
        pattern = atlas.run_with_cache(group.clean_tokens)[1]["blocks.3.attn.hook_pattern"][:, 2, -1]
        place = (group.clean_tokens == group.answer_ids[:, None]).int().argmax(1, keepdim=True)
        paid += pattern.gather(1, place)[:, 0].tolist()
    assert row.attention == pytest.approx(sum(paid) / len(paid), abs=1e-4)


def test_the_planted_pair_composes_through_keys_only(toy):
    tables = {letter: composition(toy.model, letter).set_index(["source", "reader"]).score for letter in "qkv"}
    assert tables["k"]["a0.h0", "a1.h0"] > 0.3
    for letter in "qv":
        assert tables[letter]["a0.h0", "a1.h0"] < 0.05


def test_a_score_by_hand(atlas):
    table = composition(atlas, "q").set_index(["source", "reader"])
    first, block = atlas.blocks[0].attn, atlas.blocks[3]
    weight = block.ln1.original_component.weight[:, None]
    query, key = (weight * w for w in (block.attn.W_Q[5], block.attn.W_K[5]))
    read = (query - query.mean(0)) @ (key - key.mean(0)).T
    write = first.W_V[2] @ first.W_O[2]
    right = (write @ read).norm() / write.norm() / read.norm()
    assert abs(table.score["a0.h2", "a3.h5"] - right) < 1e-5


@pytest.mark.parametrize("letter", ["q", "k", "v"])
def test_scores_are_shares_beside_turned_writes(small, letter):
    table = composition(small[0], letter)
    assert len(table) == 16 and table.score.between(0, 1).all() and table.rotated.between(0, 1).all()
    assert table.times_rotated.to_numpy() == pytest.approx((table.score / table.rotated).to_numpy())
    last = int(table.reader_layer.max())
    part = composition(small[0], letter, layers=[(0, last)])
    assert set(part.reader_layer) == {last} and set(part.source_layer) == {0}
    same = table[(table.reader_layer == last) & (table.source_layer == 0)]
    assert part.score.tolist() == pytest.approx(same.score.tolist())


def test_only_the_composing_edge_hurts(toy):
    graph = Graph.from_model(toy.model)
    whole = logit_diff(toy.pairs.clean_logits(toy.model), toy.pairs).mean()
    edge = edges_from(graph, ["a0.h0"], ["a1.h0"], "k")
    assert edge == ["a0.h0->a1.h0<k>"]
    assert cut_effect(toy.model, toy.pairs, edge) > 0.2 * whole
    assert abs(cut_effect(toy.model, toy.pairs, edges_from(graph, ["a0.h0"], ["a1.h0"], "qv"))) < 1e-3
    assert cut_effect(toy.model, toy.pairs, edge, match_nll) > 0, "a loss that rises is also a harm"


def test_a_cut_is_a_circuit_without_the_edges(toy):
    graph = Graph.from_model(toy.model)
    edges = edges_from(graph, ["a0.h0"])
    assert set(edges) == {e for e in Circuit.full(graph).edges if e.startswith("a0.h0->")}
    without = Circuit.full(graph) - Circuit.from_edges(graph, edges)
    whole, cut = toy.pairs.clean_logits(toy.model), run_circuit(toy.model, without, toy.pairs)
    fall = (logit_diff(whole, toy.pairs) - logit_diff(cut, toy.pairs)).mean()
    assert cut_effect(toy.model, toy.pairs, edges) == pytest.approx(float(fall), abs=1e-4)
    value = cut_effect(toy.model, toy.pairs, [])
    assert abs(value) < 1e-4 and value.low <= value <= value.high


def test_grouped_queries_and_order():
    graph = Graph(2, 4, 2)
    names = edges_from(graph, ["a0.h1", "a1.h0"], ["a1.h2", "a1.h3"])
    assert names == ["a0.h1->a1.h2<q>", "a0.h1->a1.kv1<k>", "a0.h1->a1.kv1<v>", "a0.h1->a1.h3<q>"]


def test_bad_inputs_say_what_is_wrong(toy):
    graph = Graph.from_model(toy.model)
    with pytest.raises(ValueError, match="choose from q, k, v"):
        composition(toy.model, "o")
    with pytest.raises(ValueError, match="no head"):
        edges_from(graph, ["a0.h0"], ["m1"])
    with pytest.raises(ValueError, match="no source"):
        edges_from(graph, ["a7.h0"])
