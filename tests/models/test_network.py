"""The network's parts, put together, are the model; norms differentiate as autograd says."""

import pytest
import torch

from helpers.circuits.ablation import run_writes
from helpers.models.network import Norm, read_network
from helpers.models.run import attention_out, qkv, run_past


def test_the_parts_make_the_model(small):
    model, pairs = small
    net = read_network(model)
    for _, group in pairs.groups():
        _, final = run_writes(net, group.clean_tokens)
        torch.testing.assert_close(net.unembed(final), model(group.clean_tokens), atol=1e-5, rtol=1e-4)


def test_what_the_sources_write_adds_up_to_the_residual(small):
    model, pairs = small
    net = read_network(model)
    tokens = pairs.groups()[0][1].clean_tokens
    writes, final = run_writes(net, tokens)
    biases = sum(layer.b_O + layer.b_out for layer in net.layers)
    torch.testing.assert_close(writes.expand(net).sum(0) + biases, final, atol=1e-5, rtol=1e-5)


def test_a_common_beginning_is_computed_once_and_changes_nothing(small):
    model, pairs = small
    net = read_network(model)
    tokens = pairs.groups()[0][1].clean_tokens
    for start in (1, 3):
        shared = tokens.clone()
        shared[:, :start] = shared[:1, :start]
        past = run_past(net, shared[:, :start])
        assert len(past[0][0]) == 1
        _, whole = run_writes(net, shared)
        _, rest = run_writes(net, shared, start, past)
        torch.testing.assert_close(rest, whole[:, start:], atol=1e-5, rtol=1e-5)


def test_an_edited_model_is_read_as_edited(small):
    model, pairs = small
    tokens = pairs.groups()[0][1].clean_tokens
    before = run_writes(read_network(model), tokens)[1]
    weight = model.blocks[0].mlp.W_out
    weight.mul_(1.5)
    try:
        assert (run_writes(read_network(model), tokens)[1] - before).abs().max() > 1e-3
    finally:
        weight.div_(1.5)


@pytest.mark.parametrize("centred", [True, False])
def test_the_norm_and_its_gradient(centred):
    torch.manual_seed(0)
    x = torch.randn(3, 8, requires_grad=True)
    norm = Norm(torch.randn(8), torch.randn(8) if centred else None, 1e-5, centred)
    if centred:
        expected = torch.nn.functional.layer_norm(x, (8,), norm.weight, norm.bias, norm.eps)
    else:
        expected = torch.nn.functional.rms_norm(x, (8,), norm.weight, norm.eps)
    torch.testing.assert_close(norm(x), expected)
    gradients = torch.randn(4, 3, 8)
    standard, inverse = norm.standardize(x.detach())
    for own, result in zip(gradients, norm.backward(gradients, standard, inverse), strict=True):
        torch.testing.assert_close(result, torch.autograd.grad(expected, x, own, retain_graph=True)[0])


def test_attention_is_causal_and_grouped(small):
    model, pairs = small
    net = read_network(model)
    layer, tokens = net.layers[0], pairs.groups()[0][1].clean_tokens
    q, k, v = qkv(layer, layer.norm1(net.embed(tokens)))
    assert q.shape[2] == net.n_heads and k.shape[2] == v.shape[2] == net.n_groups
    z = net.attend(q, k, v)
    changed = v.clone()
    changed[:, -1] += 1
    assert torch.equal(net.attend(q, k, changed)[:, :-1], z[:, :-1])
    assert attention_out(layer, z).shape == (*tokens.shape, model.cfg.d_model)


def test_other_architectures_are_refused(small, monkeypatch):
    model, _ = small
    monkeypatch.setattr(model.original_model.config, "model_type", "mamba")
    with pytest.raises(ValueError, match="gpt2 and llama.*not for 'mamba'"):
        read_network(model)


def test_the_shares_of_all_parts_add_up(small):
    norm = read_network(small[0]).norm
    parts = torch.randn(3, 5, len(norm.weight), generator=torch.Generator().manual_seed(0))
    whole = parts.sum(0)
    bias = 0 if norm.bias is None else norm.bias
    assert torch.allclose(norm.share(parts, whole).sum(0) + bias, norm(whole), atol=1e-5)
