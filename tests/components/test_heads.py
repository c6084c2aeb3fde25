"""What heads attend to, write and cause equals what hooks and circuits give."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from by_hooks import as_table, cut_by_circuit, read_by_hand

from helpers import Graph, logit_diff
from helpers.components.heads import measure_heads


@pytest.fixture(scope="module")
def frame(small):
    return measure_heads(*small).set_index("head")


def test_there_is_a_row_for_each_head(small, frame):
    graph = Graph.from_model(small[0])
    assert list(frame.index) == [name for name in graph.sources if ".h" in name]
    assert list(frame.layer) == [int(name[1]) for name in frame.index]
    assert not frame.isna().any().any()


def test_attention_is_what_the_pattern_hook_gives(small, frame):
    model, pairs = small
    graph, total = Graph.from_model(model), {}
    for ids, span in zip(pairs.clean_ids, pairs.subjects, strict=True):
        _, cache = model.run_with_cache(torch.tensor([ids]))
        last = torch.stack([cache[f"blocks.{n}.attn.hook_pattern"][0, :, -1] for n in range(graph.n_layers)])
        words = [i for i in range(1, len(ids) - 1) if not span.start <= i < span.stop]
        parts = {"to_subject": last[..., span].sum(-1), "to_relation": last[..., words].sum(-1)}
        parts |= {"uniform_subject": torch.tensor((span.stop - span.start) / len(ids)).expand(last.shape[:2])}
        for name, part in parts.items():
            total[name] = total.get(name, 0) + part / len(pairs)
    for name, expected in total.items():
        torch.testing.assert_close(as_table(frame, name, graph), expected, atol=1e-5, rtol=1e-4)


def test_writes_are_what_the_result_hook_gives(small, frame):
    model, pairs = small
    graph = Graph.from_model(model)
    members = sorted({*pairs.answer_ids.tolist(), *pairs.wrong_ids.tolist()})
    total = torch.zeros(3, graph.n_layers, graph.n_heads)
    for ids, span, answer in zip(pairs.clean_ids, pairs.subjects, pairs.answer_ids.tolist(), strict=True):
        _, cache = model.run_with_cache(torch.tensor([ids]))
        resid = cache[f"blocks.{graph.n_layers - 1}.hook_resid_post"][0, -1]
        others = [i for i in members if i != answer]
        for n in range(graph.n_layers):
            for h in range(graph.n_heads):
                write = cache[f"blocks.{n}.attn.hook_result"][0, -1, h]
                said = read_by_hand(model, write, resid, [answer, *others])
                v = cache[f"blocks.{n}.attn.hook_v"][0, span.stop - 1]
                value = v[h * len(v) // graph.n_heads] @ model.blocks[n].attn.W_O[h]
                alone = read_by_hand(model, value, resid, [answer])
                numbers = said[0], said[1:].mean(), alone[0]
                total[:, n, h] += torch.stack(numbers) / len(pairs)
    names = ("writes_answer", "writes_type", "ov_answer")
    for name, expected in zip(names, total, strict=True):
        torch.testing.assert_close(as_table(frame, name, graph), expected, atol=1e-4, rtol=1e-3)


def test_effects_are_those_of_circuits_without_the_head(small, frame):
    model, pairs = small
    whole = pairs.clean_logits(model)
    members = torch.cat((pairs.answer_ids, pairs.wrong_ids)).unique()
    others = (members[None] != pairs.answer_ids[:, None]).float()

    def kind(logits: torch.Tensor) -> torch.Tensor:
        centred = logits - logits.mean(-1, keepdim=True)
        return (centred[:, members] * others).sum(-1) / others.sum(-1)

    def answer(logits: torch.Tensor) -> torch.Tensor:
        return logits.gather(-1, pairs.answer_ids[:, None])[:, 0] - logits.mean(-1)

    assert frame.effect.abs().max() > 1e-2
    for head, row in frame.iterrows():
        corrupt, mean = (cut_by_circuit(model, pairs, head, ablation) for ablation in ("corrupt", "mean"))
        for logits, name in ((corrupt, "effect"), (mean, "effect_mean")):
            fall = (logit_diff(whole, pairs) - logit_diff(logits, pairs)).mean().item()
            assert row[name] == pytest.approx(fall, abs=1e-4)
        assert row.type_rises == pytest.approx((kind(mean) - kind(whole)).mean().item(), abs=1e-4)
        assert row.answer_falls == pytest.approx((answer(whole) - answer(mean)).mean().item(), abs=1e-4)
    assert frame.model_diff.iloc[0] == pytest.approx(logit_diff(whole, pairs).mean().item(), abs=1e-4)


def test_the_part_from_the_subject_is_a_part_of_the_pattern_and_its_effect_a_patch(small, frame):
    """Head 2 of the first layer, by hand: TransformerLens's pattern and values, patched in with its hook."""
    model, pairs = small
    totals = torch.zeros(2)
    for row, (ids, other, span) in enumerate(zip(pairs.clean_ids, pairs.corrupt_ids, pairs.subjects, strict=True)):
        parts = []
        for tokens in (ids, other):
            _, cache = model.run_with_cache(torch.tensor([tokens]))
            v = cache["blocks.0.attn.hook_v"][0, span]
            weights = cache["blocks.0.attn.hook_pattern"][0, 2, -1, span]
            parts.append(weights @ v[:, 2 * v.shape[1] // 4] @ model.blocks[0].attn.W_O[2])
            if tokens is ids:
                resid = cache["blocks.1.hook_resid_post"][0, -1]
        said = read_by_hand(model, parts[0], resid, [int(pairs.answer_ids[row])])[0]

        def patch(value, hook, change=parts[1] - parts[0]):
            value[:, -1] += change
            return value

        logits = model.run_with_hooks(torch.tensor([ids]), fwd_hooks=[("blocks.0.hook_attn_out", patch)])[:, -1]
        pair = pairs.select([row])
        totals[0] += said / len(pairs)
        totals[1] += (logit_diff(pair.clean_logits(model), pair) - logit_diff(logits, pair))[0] / len(pairs)
    assert totals[1].abs() > 1e-4
    assert frame.from_subject_answer["a0.h2"] == pytest.approx(totals[0].item(), abs=1e-4)
    assert frame.effect_from_subject["a0.h2"] == pytest.approx(totals[1].item(), abs=1e-4)


def test_zero_ablation_is_that_of_circuits_without_the_head(small, frame):
    model, pairs = small
    for head in ("a0.h0", "a1.h3"):
        fall = pairs.clean_logits(model) - cut_by_circuit(model, pairs, head, "zero")
        fall = (fall.gather(-1, pairs.answer_ids[:, None])[:, 0] - fall.mean(-1)).mean().item()
        assert frame.answer_falls_zero[head] == pytest.approx(fall, abs=1e-4)


def test_the_order_of_the_pairs_does_not_matter(small, frame):
    model, pairs = small
    again = measure_heads(model, pairs.select(list(reversed(range(len(pairs)))))).set_index("head")
    pd.testing.assert_frame_equal(frame, again, atol=1e-4, rtol=1e-3)


def test_types_may_be_given(small, frame):
    model, pairs = small
    members = torch.cat((pairs.answer_ids, pairs.wrong_ids)).tolist()
    pd.testing.assert_frame_equal(measure_heads(model, pairs, types=members).set_index("head"), frame, atol=1e-5)
    other = measure_heads(model, pairs, types=[5, 6, 7]).set_index("head")
    assert (other.writes_type - frame.writes_type).abs().max() > 1e-3
    pd.testing.assert_series_equal(other.writes_answer, frame.writes_answer, atol=1e-5, rtol=1e-4)


def test_pairs_without_subjects_are_refused(small):
    model, pairs = small
    with pytest.raises(ValueError, match="subject of .* isn't known"):
        measure_heads(model, replace(pairs, subjects=(None,) * len(pairs)))


def test_a_type_of_one_answer_is_refused(small):
    model, pairs = small
    with pytest.raises(ValueError, match="needs another token"):
        measure_heads(model, pairs, types=[int(pairs.answer_ids[0])])
