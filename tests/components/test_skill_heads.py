"""Heads in skills: patterns, copying, names, effects, against hooks and circuits."""

import pytest
import torch
from by_hooks import as_table, cut_by_circuit

from helpers import Graph
from helpers.components.skill_heads import measure_repeats, repeated_tokens
from helpers.models.network import read_network
from helpers.models.run import run_layers


def test_repeated_tokens_are_repeated_and_differ(small):
    tokens = repeated_tokens(small[0], 9, 4, 0)
    assert tokens.shape == (4, 19) and (tokens[:, 0] == small[0].tokenizer.bos_token_id).all()
    assert torch.equal(tokens[:, 1:10], tokens[:, 10:]) and all(len(set(row.tolist())) == 10 for row in tokens)
    assert torch.equal(tokens, repeated_tokens(small[0], 9, 4, 0))
    assert not torch.equal(tokens, repeated_tokens(small[0], 9, 4, 1))


def test_patterns_are_what_the_pattern_hook_gives(small):
    model, _ = small
    graph, n = Graph.from_model(model), 6
    frame = measure_repeats(model, length=n, count=3)
    _, cache = model.run_with_cache(repeated_tokens(model, n, 3, 0))
    table = torch.stack([cache[f"blocks.{i}.attn.hook_pattern"].mean(0) for i in range(graph.n_layers)])
    second = range(n + 1, 2 * n + 1)
    expected = {
        "previous": [table[..., i, i - 1] for i in range(2, 2 * n + 1)],
        "duplicate": [table[..., i, i - n] for i in second],
        "induction": [table[..., i, i - n + 1] for i in second],
    }
    for name, parts in expected.items():
        torch.testing.assert_close(as_table(frame, name, graph), sum(parts) / len(parts), atol=1e-5, rtol=1e-4)
    assert frame.uniform.iloc[0] == pytest.approx(sum(1 / (i + 1) for i in second) / n)


def test_copies_are_counted_by_hand(small):
    model, _ = small
    graph, tokens = Graph.from_model(model), repeated_tokens(model, 6, 3, 0)
    frame = measure_repeats(model, length=6, count=3).set_index("head")
    _, cache = model.run_with_cache(tokens)
    net = read_network(model)
    for n, h in ((0, 0), (1, 3)):
        v = cache[f"blocks.{n}.attn.hook_v"][:, 1:7]
        write = v[:, :, h * v.shape[2] // graph.n_heads] @ model.blocks[n].attn.W_O[h]
        write = write - write.mean(-1, keepdim=True) if net.norm.centred else write
        best = (write * net.norm.weight @ model.W_U).topk(5).indices
        assert frame.copies[f"a{n}.h{h}"] == pytest.approx((best == tokens[:, 1:7, None]).any(-1).float().mean().item())


def test_planted_heads_copy_what_they_were_made_to(known):
    copies = measure_repeats(known.model, length=8, vocabulary=known.vocabulary).set_index("head").copies
    assert copies["a1.h0"] == 1 and copies["a0.h3"] == 0 and copies["a0.h7"] == 0
    names = (repeated_tokens(known.model, 8, 16, 0, known.vocabulary)[:, 1:9] // 6 == 1).float().mean()
    assert copies["a2.h0"] == pytest.approx(names.item())  # tokens 6 to 11


def test_replaced_heads_are_cut_as_run_circuit_cuts_them(small):
    model, pairs = small
    net = read_network(model)
    for places, group in pairs.groups():
        other, _ = run_layers(net, group.corrupt_tokens)
        ablated = {(0, 1): other[0].written[1].mean(0, keepdim=True)}
        logits = net.unembed(run_layers(net, group.clean_tokens, ablated)[1][:, -1])
        expected = cut_by_circuit(model, pairs, "a0.h1", "mean")[places]
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-3)


def test_wrong_options_of_patterns_are_refused(small, known):
    model, pairs = small
    with pytest.raises(ValueError, match="more than the 64"):
        measure_repeats(model, length=40)
    with pytest.raises(ValueError, match="can't be drawn from 3"):
        measure_repeats(model, length=10, vocabulary=[1, 2, 3])
