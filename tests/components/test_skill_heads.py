"""Heads in skills: patterns, copying, names, effects, against hooks and circuits."""

import pytest
import torch
from by_hooks import as_table, cut_by_circuit, read_by_hand

from helpers import Circuit, Graph, logit_diff, run_circuit
from helpers.components.skill_heads import measure_repeats, repeated_tokens
from helpers.models.network import read_network
from helpers.models.run import run_layers
from helpers.prompts.skills import indirect_object_pairs
from helpers.studies.indirect_objects.name_swaps import end_looks
from helpers.studies.indirect_objects.skill_classes import effect_via_queries, measure_indirect, name_positions


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


def test_names_are_found_by_their_tokens(atlas):
    pairs, places = name_positions(indirect_object_pairs(atlas, 6), atlas.tokenizer)
    assert len(pairs) == 6
    for row, (io, s1, s2) in enumerate(places.tolist()):
        words = [atlas.tokenizer.decode([i]).strip() for i in pairs.clean_ids[row]]
        assert words[io] == pairs.answers[row].strip()
        assert words[s1] == words[s2] == pairs.wrong[row].strip() and s1 < s2 and io < s2


def test_indirect_objects_are_measured_as_hooks_measure_them(atlas):
    pairs = indirect_object_pairs(atlas, 4)
    frame = measure_indirect(atlas, pairs)
    _, places = name_positions(pairs, atlas.tokenizer)
    graph = Graph.from_model(atlas)
    total = torch.zeros(5, graph.n_layers, graph.n_heads)
    for row, (ids, (io, s1, s2)) in enumerate(zip(pairs.clean_ids, places.tolist(), strict=True)):
        _, cache = atlas.run_with_cache(torch.tensor([ids]))
        pattern = torch.stack([cache[f"blocks.{n}.attn.hook_pattern"][0] for n in range(graph.n_layers)])
        write = torch.stack([cache[f"blocks.{n}.attn.hook_result"][0, -1] for n in range(graph.n_layers)])
        resid = cache[f"blocks.{graph.n_layers - 1}.hook_resid_post"][0, -1]
        names = [int(pairs.answer_ids[row]), int(pairs.wrong_ids[row])]
        parts = [pattern[..., -1, io], pattern[..., -1, s1], pattern[..., -1, s2], pattern[..., s2, s1]]
        said = [[read_by_hand(atlas, w, resid, names) for w in heads] for heads in write]
        parts.append(torch.stack([torch.stack([s[0] - s[1] for s in heads]) for heads in said]))
        total += torch.stack(parts) / len(pairs)
    for name, expected in zip(("to_io", "to_s1", "to_s2", "s2_to_s1", "writes_io"), total, strict=True):
        torch.testing.assert_close(as_table(frame, name, graph), expected, atol=1e-4, rtol=1e-3)


def test_the_end_looks_where_the_hook_says(atlas):
    pairs, places = name_positions(indirect_object_pairs(atlas, 3), atlas.tokenizer)
    by_hand = 0.0
    for i, (io, s1, s2) in enumerate(places.tolist()):
        _, cache = atlas.run_with_cache(pairs.select([i]).clean_tokens)
        rows = torch.stack([cache["pattern", layer][0, :, -1] for layer in range(6)])
        by_hand = by_hand + rows[..., [min(io, s1), max(io, s1), s2]] / 3
    assert torch.allclose(end_looks(atlas, pairs), by_hand, atol=1e-4)


def test_the_effect_via_queries_is_that_of_the_edges_alone(known):
    effects = effect_via_queries(known.model, known.indirect)
    graph = Graph.from_model(known.model)
    cut = {name for name in Circuit.full(graph).edges if name.startswith("a1.h1->") and name.endswith("<q>")}
    logits = run_circuit(known.model, Circuit.full(graph) - Circuit.from_edges(graph, cut), known.indirect)
    fall = logit_diff(known.indirect.clean_logits(known.model), known.indirect) - logit_diff(logits, known.indirect)
    assert effects[1, 1].item() == pytest.approx(fall.mean().item(), abs=1e-3) and fall.mean() > 1
    assert effects[0, 0].abs() < 1e-3 and (effects[-1] == 0).all()


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
    with pytest.raises(ValueError, match="answer stand once and the wrong answer twice"):
        measure_indirect(model, pairs)
