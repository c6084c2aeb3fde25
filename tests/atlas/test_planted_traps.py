"""The planted models with traps: their circuit is the model, each true edge is needed, and each trap does what it says.

Every claim is measured by runs in which edges are cut, not by the way in which the weights were set.
"""

import numpy as np
import pytest
import torch

from helpers import Circuit, Graph, eap, exact_scores, faithfulness, logit_diff, run_circuit
from helpers.atlas.planted_canvas import CONSTANT, SCALE, canvas
from helpers.atlas.planted_traps import BUSY, planted_traps
from helpers.circuits.ablation import run_circuits, scenes
from helpers.circuits.graph import head_place
from helpers.models.network import read_network
from helpers.models.run import forward

SIZES = {"gpt2": 927, "llama": 1055}


@pytest.fixture(scope="module", params=SIZES)
def traps(request):
    return planted_traps(request.param, each=2)


@pytest.fixture(scope="module")
def exact(traps):
    return exact_scores(traps.model, traps.pairs)


def circuit(traps, edges):
    return Circuit.from_edges(Graph.from_model(traps.model), edges)


def asking(traps, trap):
    """The pairs that ask for a trap's circuit."""
    return traps.pairs.select([place for place, kind in enumerate(traps.kinds) if kind == trap])


def out_of(traps, *heads):
    """All edges out of some heads."""
    graph = Graph.from_model(traps.model)
    mask = torch.zeros_like(graph.edges)
    mask[:, [graph.sources.index(head) for head in heads]] = True
    return Circuit(graph, mask & graph.edges)


def diff(traps, kept, pairs):
    return logit_diff(run_circuit(traps.model, kept, pairs), pairs)


def test_the_true_circuit_is_the_model(traps):
    truth, clean = circuit(traps, traps.edges), traps.pairs.clean_logits(traps.model)
    assert truth.graph.n_edges == SIZES[traps.model.original_model.config.model_type] and truth.n_edges == 22
    assert truth.pruned() == truth, "every edge is on a way from the embedding to the logits"
    assert torch.equal(clean.argmax(-1), traps.pairs.answer_ids)
    torch.testing.assert_close(run_circuit(traps.model, truth, traps.pairs), clean, atol=1e-3, rtol=0)
    kept = faithfulness(traps.model, truth, traps.pairs)
    assert kept.low == pytest.approx(1, abs=1e-4) and kept.high == pytest.approx(1, abs=1e-4)


def test_every_true_edge_is_needed(traps):
    truth = circuit(traps, traps.edges)
    assert sum(len(edges) for edges in traps.traps.values()) == truth.n_edges, "each edge is of one trap"
    for trap, edges in traps.traps.items():
        pairs, names = asking(traps, trap), sorted(edges)
        without = [truth - circuit(traps, [edge]) for edge in names]
        runs = run_circuits(traps.model, [Circuit.empty(truth.graph), *without], pairs, "corrupt", whole=True)
        top, bottom, *left = (logit_diff(logits, pairs).mean() for logits in runs)
        for edge, value in zip(names, left, strict=True):
            assert (value - bottom) / (top - bottom) < 0.75, f"{edge} ({trap}) isn't needed"


def test_exact_cuts_find_all_but_what_the_backup_replaces(traps, exact):
    hidden = {edge for edge in traps.traps["backup"] if edge.startswith("embed")}
    truth = circuit(traps, traps.edges)
    found = exact.values[circuit(traps, traps.edges - hidden).mask]
    assert len(hidden) == 3 and found.min() > 0.1
    assert exact.values[(~truth).mask].max() < 0.05
    assert exact.values[circuit(traps, hidden).mask].abs().max() < 0.1
    assert exact.top(19) == circuit(traps, traps.edges - hidden)


def test_the_backup_works_only_when_the_first_is_cut(traps):
    pairs, everything = asking(traps, "backup"), Circuit.full(Graph.from_model(traps.model))
    first, backup = traps.heads["answerer"], traps.heads["backup"]
    whole = diff(traps, everything, pairs)
    torch.testing.assert_close(diff(traps, everything - out_of(traps, backup), pairs), whole, atol=1e-3, rtol=0)
    assert (diff(traps, everything - out_of(traps, first), pairs) > 0.9 * whole).all()
    assert diff(traps, everything - out_of(traps, first, backup), pairs).abs().max() < 1e-3


def test_busy_heads_attend_and_write_and_come_to_nothing(traps):
    graph, heads = Graph.from_model(traps.model), [head for place in traps.busy for head in place]
    assert len(heads) >= 14 and not {edge.split("->")[0] for edge in traps.edges} & set(heads)
    rows = [graph.sources.index(head) for head in heads]
    for _, scene in scenes(traps.model, traps.pairs, "corrupt"):
        clean, ablated = (part.expand(scene.net)[rows] for part in (scene.clean[0], scene.ablated))
        torch.testing.assert_close(clean.norm(dim=-1), ablated.norm(dim=-1), atol=1e-3, rtol=0)
        assert clean.norm(dim=-1).min() > 0.8 * BUSY
        busy = (clean - ablated).norm(dim=-1).amax((1, 2)) > BUSY
        assert busy.float().mean() > 0.3, "clean and corrupt differ by more than what is written"
    everything, whole = Circuit.full(graph), traps.pairs.clean_logits(traps.model)
    cut = run_circuit(traps.model, everything - out_of(traps, *heads), traps.pairs)
    torch.testing.assert_close(cut, whole, atol=1e-3, rtol=0)


def test_the_softmax_is_saturated_though_its_queries_and_keys_matter(traps, exact):
    layer, head = head_place(traps.heads["chooser"])
    for _, group in asking(traps, "softmax").groups():
        net = read_network(traps.model)
        steps = forward(net, net.embed(group.clean_tokens))
        step = next(step for step in steps if step.sublayer == 2 * layer)
        assert step.pattern[:, head, -1].max(-1).values.min() > 1 - 1e-6
    looks = circuit(traps, [edge for edge in traps.traps["softmax"] if edge.endswith(("<q>", "<k>"))])
    assert looks.n_edges == 2 and exact.values[looks.mask].min() > 1
    slopes, warm = (eap(traps.model, traps.pairs, rule=rule).values[looks.mask] for rule in ("gradient", "gim"))
    assert slopes.abs().max() < 1e-3 < exact.values[looks.mask].min() / 1000 and (warm > 100 * slopes.abs()).all()


def test_the_closed_neuron_and_the_norm_have_edges_that_a_rule_does_not_see(traps, exact):
    gradient, held = (eap(traps.model, traps.pairs, rule=rule) for rule in ("gradient", "relp"))
    norm = circuit(traps, traps.traps["norm"])
    assert exact.values[norm.mask].min() > 0.1 and gradient.values[norm.mask].min() > 0.1
    assert held.values[norm.mask].abs().max() < 1e-5, "with the norm's scale held, nothing is left"
    closing = circuit(traps, traps.traps["closed"] - {"m2->logits"})
    assert closing.n_edges == 2 and exact.values[closing.mask].min() > 0.1
    for scores in (gradient, held):
        assert scores.values[closing.mask].max() < 1e-5, "closed, the neuron has no slope"


def test_the_product_needs_both_and_both_differ(traps):
    pairs, truth = asking(traps, "product"), circuit(traps, traps.edges)
    brought = [edge for edge in traps.traps["product"] if edge.endswith("->m1")]
    prompts = zip(pairs.clean_ids, pairs.corrupt_ids, strict=True)
    both = [place for place, (one, other) in enumerate(prompts) if one[1] != other[1] and one[2] != other[2]]
    differing = pairs.select(both)
    assert len(both) == 2 and len(brought) == 2
    whole = diff(traps, truth, differing)
    for edge in brought:
        assert (diff(traps, truth - circuit(traps, [edge]), differing) < 0.1 * whole).all()
    gated = traps.model.original_model.config.model_type == "llama"
    assert (read_network(traps.model).layers[1].W_gate is not None) == gated


def test_a_seed_draws_places_and_pairs_and_repeats():
    one, same, other = (planted_traps("llama", seed, each=1) for seed in (3, 3, 4))
    assert one.edges == same.edges and one.pairs.clean_ids == same.pairs.clean_ids
    assert torch.equal(one.model.W_E, same.model.W_E)
    assert one.edges != other.edges and one.pairs.clean_ids != other.pairs.clean_ids
    groups = [f"{head.split('.')[0]} {int(head.split('.h')[1]) // 2}" for head in one.heads.values()]
    assert len(set(groups)) == len(groups), "no two heads with a job share keys and values"


@pytest.mark.parametrize("architecture", SIZES)
def test_a_canvas_computes_nothing_until_it_is_painted(architecture):
    board = canvas(architecture, np.random.default_rng(0), {1: [(5, 1.0)]}, {2: 7})
    torch.testing.assert_close(board.basis @ board.basis.T, torch.eye(len(board.basis)), atol=1e-5, rtol=0)
    assert board.basis.sum(1).abs().max() < 1e-4, "a layer norm takes nothing away"

    def logits():
        with torch.no_grad():
            return board.model(torch.tensor([[0, 1]])).logits[0, -1]

    assert logits()[1:].abs().max() < 1e-4 and logits()[0] < -100
    board.neuron(0, [(5, 1.0)], [(7, 1.0)])
    board.neuron(0, [(5, 1.0), (CONSTANT, -2 / SCALE)], [(8, 1.0)])
    said = logits()[2].item()
    assert 5 < said < 15
    board.head("a1.h2", q=[(CONSTANT, 0, 1.0)], k=[(5, 0, 9.0)], v=[(5, 0, 1.0)], out=[(7, 0, 1.0)])
    assert logits()[2] > 1.5 * said and logits()[3:].abs().max() < 1e-4
