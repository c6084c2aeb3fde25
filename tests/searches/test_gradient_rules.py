"""Rules that read a gradient otherwise: against finite differences of the function whose gradient they take.

A rule's backward pass is the gradient of another function that agrees with the model at one point: scales and patterns
are numbers there, activations are lines, products are means of two products with one factor held. That function is
written out here with plain loops in double precision, and one reader's input is moved a little at a time.
"""

from functools import partial

import pytest
import torch
from small_models import random_model

from helpers import Graph, eap, eap_ig, logit_diff, relation_pairs, run_circuit
from helpers.circuits.ablation import scenes
from helpers.circuits.circuit import Circuit
from helpers.circuits.gradients import HeldNorm, reader_gradients
from helpers.models.network import read_network
from helpers.models.run import qkv
from helpers.searches.attribution import RULES, ceap


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def net(request, tmp_path_factory):
    model = random_model(request.param, tmp_path_factory.mktemp("rules"), scale=2.0)
    return read_network(model.to(torch.float64))


def scaled(norm, x, inverse):
    """A norm with a given scale."""
    return norm.affine((x - x.mean(-1, keepdim=True) if norm.centred else x) * inverse)


def half(a, b, a0, b0, product):
    """The mean of two products, each with one factor held: the function whose gradient gives each factor half."""
    return (product(a, b0) + product(a0, b)) / 2


def scores(q, k):
    return torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5


def soft(s):
    later = torch.ones(s.shape[-2:], dtype=torch.bool).triu(1)
    return s.masked_fill(later, -torch.inf).softmax(-1)


def read(p, v):
    return torch.einsum("bhqk,bkhd->bqhd", p, v)


def replica(net, rule, resid, moved, base):
    """The logits by the function whose gradient the rule takes; ``base`` keeps what is held, and is filled if empty.

    Args:
        moved: (sublayer, reader) -> what is added to that reader's input, before the norm.
    """
    filling = not base

    def hold(key, value):
        if filling:
            base[key] = value
        return base[key]

    def normed(norm, key, x):
        inverse = hold(key, norm.standardize(x)[1])
        return scaled(norm, x, inverse) if rule.hold_norms else norm(x)

    for n, layer in enumerate(net.layers):
        heads, groups = len(layer.W_Q), len(layer.W_K)
        readers = range(heads + 2 * groups)
        inputs = [normed(layer.norm1, ("norm1", n), resid + moved.get((2 * n, r), 0)) for r in readers]
        own = [qkv(layer, x) for x in inputs]
        q = torch.stack([own[h][0][:, :, h] for h in range(heads)], 2)
        k = torch.stack([own[heads + g][1][:, :, g] for g in range(groups)], 2)
        v = torch.stack([own[heads + groups + g][2][:, :, g] for g in range(groups)], 2)
        q, k, v = net.align(q, k, v)
        q0, k0, v0 = hold(("qkv", n), (q, k, v))
        s0, p0 = scores(q0, k0), soft(scores(q0, k0))
        s = half(q, k, q0, k0, scores) if rule.products == "all" else scores(q, k)
        p = {"gradient": soft(s), "held": p0, "warm": p0 + 2 * (soft(s / 2) - soft(s0 / 2))}[rule.pattern]
        z = half(p, v, p0, v0, read) if rule.products == "all" else read(p, v)
        resid = resid + torch.einsum("bphd,hdm->bpm", z, layer.W_O) + layer.b_O
        x = normed(layer.norm2, ("norm2", n), resid + moved.get((2 * n + 1, 0), 0))
        hidden = x @ layer.W_in + layer.b_in
        gate = hidden if layer.W_gate is None else x @ layer.W_gate
        g0 = hold(("gate", n), gate)
        active = layer.activation(g0) / g0 * gate if rule.secant else layer.activation(gate)
        if layer.W_gate is not None:
            a0, h0 = layer.activation(g0), hold(("hidden", n), hidden)
            active = active * hidden if rule.products == "whole" else half(active, hidden, a0, h0, torch.mul)
        resid = resid + active @ layer.W_out + layer.b_out
    last = (resid + moved.get((2 * len(net.layers), 0), 0))[:, -1]
    return normed(net.norm, "final", last) @ net.W_U


@pytest.mark.parametrize("name", RULES)
@torch.no_grad()
def test_a_rule_is_the_gradient_of_its_function(net, name):
    rule, applied = RULES[name], RULES[name].applied(net)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 8000, (2, 5), generator=generator)
    resid, base = net.embed(tokens), {}
    logits = replica(net, rule, resid, {}, base)
    torch.testing.assert_close(logits[:, 7], net.unembed(resid_of(net, resid))[:, 7] - net.b_U[7])
    judge = lambda last: applied.unembed(last)[:, 7] - applied.unembed(last)[:, 9]  # noqa: E731
    seen = 0
    for sublayer, gradients in reader_gradients(applied, resid, judge, rule=rule):
        for reader, gradient in enumerate(gradients):
            step = torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype) * 1e-5
            ends = [replica(net, rule, resid, {(sublayer, reader): sign * step}, base) for sign in (1, -1)]
            up, down = ((end[:, 7] - end[:, 9]).sum() for end in ends)
            expected = (gradient * step).sum()
            torch.testing.assert_close((up - down) / 2, expected, rtol=1e-4, atol=1e-12)
            seen += bool(expected.abs() > 1e-9)
    assert seen > 5


def resid_of(net, resid):
    """The final residual at the last position by the library's own forward pass."""
    from helpers.models.run import final_residual

    return final_residual(net, resid)


@pytest.mark.parametrize("name", ["relp", "gim"])
def test_a_rule_computes_what_the_model_computes(net, name):
    tokens = torch.randint(1, 8000, (2, 5), generator=torch.Generator().manual_seed(1))
    resid = net.embed(tokens)
    applied = RULES[name].applied(net)
    assert isinstance(applied.norm, HeldNorm)
    torch.testing.assert_close(resid_of(applied, resid), resid_of(net, resid))


def test_relp_gives_queries_and_keys_nothing_and_gim_a_quarter(small):
    model, pairs = small
    graph = Graph.from_model(model)
    looks = torch.tensor([name.endswith(("<q>", "<k>")) for name in graph.readers])
    assert eap(model, pairs, rule="relp").values[looks].abs().max() == 0
    assert eap(model, pairs, rule="gim").values[looks].abs().max() > 0


def test_conductance_adds_up(small):
    """Over the edges into the logits, and over those out of the embedding, it is the change of the metric."""
    model, pairs = small
    change = (logit_diff(pairs.clean_logits(model), pairs) - corrupt_diff(model, pairs)).mean()
    scores = ceap(model, pairs, steps=400).values
    torch.testing.assert_close(scores[-1].sum(), change, rtol=2e-2, atol=1e-3)
    torch.testing.assert_close(scores[:, 0].sum(), change, rtol=2e-2, atol=1e-3)
    integrated = eap_ig(model, pairs, steps=400).values[-1].sum()
    assert (integrated - change).abs() > 2 * (scores[-1].sum() - change).abs(), "the mean gradient does not add up"


def corrupt_diff(model, pairs):
    return logit_diff(run_circuit(model, Circuit.empty(Graph.from_model(model)), pairs), pairs)


def test_conductance_is_the_plain_loop(small):
    model, pairs = small
    graph, total = Graph.from_model(model), 0
    for _, scene in scenes(model, pairs, "corrupt"):
        net, clean = scene.net, scene.clean[0]
        points, gradients = [], []
        for share in (0.0, 1 / 3, 2 / 3):
            resid = torch.lerp(scene.ablated.embed, clean.embed, share)
            points.append(writes(net, resid, scene.past))
            at = torch.zeros(len(graph.readers), *resid.shape)
            for sublayer, some in reader_gradients(net, resid, partial(scene.measure_residual, logit_diff), scene.past):
                at[graph.reader_rows(sublayer)] = some
            gradients.append(at)
        points.append(clean.expand(net))
        for gradient, here, later in zip(gradients, points[:-1], points[1:], strict=True):
            total = total + torch.einsum("rbpd,sbpd->rs", gradient, later - here)
    expected = (total / len(pairs)).masked_fill(~graph.edges, 0)
    torch.testing.assert_close(ceap(model, pairs, steps=3).values, expected, atol=1e-5, rtol=1e-3)


@torch.no_grad()
def writes(net, resid, past):
    """What all sources write when the embedding is another one."""
    from helpers.circuits.ablation import NodeOutputs
    from helpers.models.run import forward

    heads, mlps = [], []
    for step in forward(net, resid, past=past):
        mlps.append(step.written) if step.is_mlp else heads.append(step.z)
    return NodeOutputs(resid, tuple(heads), tuple(mlps)).expand(net)


def test_one_step_of_conductance_is_eap_at_the_corrupt_end(small):
    model, pairs = small
    torch.testing.assert_close(
        ceap(model, pairs, steps=1).values, eap(model, pairs, at="corrupt").values, atol=1e-6, rtol=1e-4
    )


def test_a_rule_counts_along_the_way_and_for_activations_too(small):
    """One step at the right end is the clean run, whatever the rule; and the rule changes what mixed outputs give."""
    model, pairs = small
    for rule in ("relp", "gim"):
        one = eap_ig(model, pairs, steps=1, points="right", rule=rule).values
        torch.testing.assert_close(one, eap(model, pairs, rule=rule).values, atol=1e-6, rtol=1e-4)
        mixed = [eap_ig(model, pairs, variant="activations", rule=r).values for r in ("gradient", rule)]
        assert (mixed[0] - mixed[1]).abs().max() > 1e-3


def test_on_atlas_they_agree_about_the_strongest_edges(atlas):
    pairs = relation_pairs(atlas, "country_capital", 8)
    reference = eap_ig(atlas, pairs).top(100)
    chance = 100 * 100 / reference.graph.n_edges
    found = {"ceap": ceap(atlas, pairs)} | {rule: eap(atlas, pairs, rule=rule) for rule in ("relp", "gim")}
    for name, scores in found.items():
        shared = int((scores.top(100).mask & reference.mask).sum())
        assert 5 * chance < shared < 100, f"{name} shares {shared} of 100 edges, {chance:.1f} by chance"
