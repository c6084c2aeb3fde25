"""What heads do: against TransformerLens's hooks, against `run_circuit`, and on heads whose job is known."""

import random
from dataclasses import replace

import pandas as pd
import pytest
import torch

from helpers import (
    Circuit,
    Graph,
    Thresholds,
    classify_heads,
    classify_skill_heads,
    indirect_object_pairs,
    logit_diff,
    measure_heads,
    relation_pairs,
    run_circuit,
)
from helpers.head_classes import KNOWLEDGE, skill_rules
from helpers.head_patterns import effect_via_queries, measure_patterns, name_positions, names_written, repeated_tokens
from helpers.heads import run_layers
from helpers.network import read_network
from helpers.planted_heads import planted_heads


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return planted_heads(tmp_path_factory.mktemp("heads"))


@pytest.fixture(scope="module")
def frame(small):
    return measure_heads(*small).set_index("head")


def as_table(frame: pd.DataFrame, column: str, graph: Graph) -> torch.Tensor:
    return torch.tensor(frame[column].to_numpy()).float().view(graph.n_layers, graph.n_heads)


def final_scale(model, resid: torch.Tensor) -> torch.Tensor:
    norm = model.ln_final.original_component
    centred = isinstance(norm, torch.nn.LayerNorm)
    resid = resid - resid.mean() if centred else resid
    return (resid.pow(2).mean() + (norm.eps if centred else norm.variance_epsilon)).sqrt()


def read_by_hand(model, write, resid, ids) -> torch.Tensor:
    """What a write adds to the logits of some tokens, against the mean over the vocabulary."""
    if isinstance(model.ln_final.original_component, torch.nn.LayerNorm):
        write = write - write.mean()
    logits = (write / final_scale(model, resid) * model.ln_final.original_component.weight) @ model.W_U
    return logits[ids] - logits.mean()


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
        parts |= {"to_first": last[..., 0], "to_self": last[..., -1]}
        parts |= {"uniform_subject": torch.tensor((span.stop - span.start) / len(ids)).expand(last.shape[:2])}
        for name, part in parts.items():
            total[name] = total.get(name, 0) + part / len(pairs)
    for name, expected in total.items():
        torch.testing.assert_close(as_table(frame, name, graph), expected, atol=1e-5, rtol=1e-4)


def test_writes_are_what_the_result_hook_gives(small, frame):
    model, pairs = small
    graph = Graph.from_model(model)
    members = sorted({*pairs.answer_ids.tolist(), *pairs.wrong_ids.tolist()})
    total = torch.zeros(5, graph.n_layers, graph.n_heads)
    for ids, span, answer in zip(pairs.clean_ids, pairs.subjects, pairs.answer_ids.tolist(), strict=True):
        _, cache = model.run_with_cache(torch.tensor([ids]))
        resid = cache[f"blocks.{graph.n_layers - 1}.hook_resid_post"][0, -1]
        others = [i for i in members if i != answer]
        for n in range(graph.n_layers):
            for h in range(graph.n_heads):
                write = cache[f"blocks.{n}.attn.hook_result"][0, -1, h]
                said = read_by_hand(model, write, resid, [answer, ids[span.stop - 1], *others])
                v = cache[f"blocks.{n}.attn.hook_v"][0, span.stop - 1]
                value = v[h * len(v) // graph.n_heads] @ model.blocks[n].attn.W_O[h]
                alone = read_by_hand(model, value, resid, [answer, *others])
                numbers = said[0], said[1], said[2:].mean(), alone[0], alone[1:].mean()
                total[:, n, h] += torch.stack(numbers) / len(pairs)
    names = ("writes_answer", "writes_subject", "writes_type", "ov_answer", "ov_type")
    for name, expected in zip(names, total, strict=True):
        torch.testing.assert_close(as_table(frame, name, graph), expected, atol=1e-4, rtol=1e-3)


def cut_by_circuit(model, pairs, head: str, ablation: str) -> torch.Tensor:
    graph = Graph.from_model(model)
    mask = graph.edges.clone()
    mask[:, graph.sources.index(head)] = False
    return run_circuit(model, Circuit(graph, mask), pairs, ablation)


def test_effects_are_those_of_circuits_without_the_head(small, frame):
    model, pairs = small
    whole = pairs.reference
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
            resid = cache["blocks.1.hook_resid_post"][0, -1] if tokens is ids else resid
        said = read_by_hand(model, parts[0], resid, [int(pairs.answer_ids[row])])[0]

        def patch(value, hook, change=parts[1] - parts[0]):
            value[:, -1] += change
            return value

        logits = model.run_with_hooks(torch.tensor([ids]), fwd_hooks=[("blocks.0.hook_attn_out", patch)])[:, -1]
        pair = pairs.select([row])
        totals[0] += said / len(pairs)
        totals[1] += (logit_diff(pair.reference, pair) - logit_diff(logits, pair))[0] / len(pairs)
    assert totals[1].abs() > 1e-4
    assert frame.from_subject_answer["a0.h2"] == pytest.approx(totals[0].item(), abs=1e-4)
    assert frame.effect_from_subject["a0.h2"] == pytest.approx(totals[1].item(), abs=1e-4)


def test_zero_ablation_is_that_of_circuits_without_the_head(small, frame):
    model, pairs = small
    for head in ("a0.h0", "a1.h3"):
        fall = pairs.reference - cut_by_circuit(model, pairs, head, "zero")
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


def test_planted_heads_answer(known):
    for pairs in (known.pairs, known.indirect):
        assert (pairs.reference.argmax(-1) == pairs.answer_ids).all()


def test_planted_knowledge_heads_are_found_and_no_others(known):
    for rows in (range(6), range(6, 12), range(12)):  # either relation, both together
        found = classify_heads(known.model, known.pairs.select(rows)).set_index("head")["class"]
        assert found[found != "none"].to_dict() == known.knowledge


def test_the_conditions_say_why(known):
    table = classify_heads(known.model, known.pairs.select(range(6))).set_index("head")
    conditions = ["reads_subject", "reads_relation", "names_answer", "names_type", "has_effect"]
    assert [name for name in conditions if table[name]["a0.h2"]] == conditions
    assert [name for name in conditions if table[name]["a0.h1"]] == ["reads_relation", "names_type"]
    assert [name for name in conditions if table[name]["a0.h5"]] == ["reads_subject"]


def test_planted_skill_heads_are_found_and_no_others(known):
    table = classify_skill_heads(known.model, pairs=known.indirect, vocabulary=known.vocabulary, length=8)
    found = table.set_index("head")["class"]
    assert found[found != "none"].to_dict() == known.skills
    assert (table.fits.replace("", "none") == table["class"]).all()


def test_the_planted_decoy_attends_but_does_nothing(known):
    row = measure_heads(known.model, known.pairs).set_index("head").loc["a0.h5"]
    assert row.to_subject > 0.99 and abs(row.effect) < 1e-3 and abs(row.writes_answer) < 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_classes_vanish_when_the_spans_are_wrong(known, seed):
    """Falsification: a name depends on where the subject is, not on how strong a head is."""
    rng, pairs = random.Random(seed), known.pairs.select(range(6))  # of one relation
    assert classify_heads(known.model, pairs)["class"].isin(KNOWLEDGE).sum() == 3
    places = [rng.choice([1, 3]) for _ in range(len(pairs))]  # the filler, or the relation's word
    for chosen in (places, [1] * 6, [3] * 6):
        wrong = replace(pairs, subjects=tuple(slice(p, p + 1) for p in chosen))
        assert not classify_heads(known.model, wrong)["class"].isin(["mover", "mixture"]).any()
    assert not classify_heads(known.model, wrong)["class"].isin(KNOWLEDGE).any()  # the relation's word as the subject


def test_classes_nearly_vanish_on_atlas_when_the_spans_are_wrong(atlas):
    """The span moves to words that say nothing of the subject; what remains are heads that read it further on."""
    pairs = relation_pairs(atlas, "country_language", 10)
    found = classify_heads(atlas, pairs)["class"].isin(["mover", "mixture"]).sum()
    wrong = replace(pairs, subjects=(slice(1, 3),) * len(pairs))
    left = classify_heads(atlas, wrong)["class"].isin(["mover", "mixture"]).sum()
    assert found >= 3 and left == 0


def test_repeated_tokens_are_repeated_and_differ(small):
    tokens = repeated_tokens(small[0], 9, 4, 0)
    assert tokens.shape == (4, 19) and (tokens[:, 0] == small[0].tokenizer.bos_token_id).all()
    assert torch.equal(tokens[:, 1:10], tokens[:, 10:]) and all(len(set(row.tolist())) == 10 for row in tokens)
    assert torch.equal(tokens, repeated_tokens(small[0], 9, 4, 0))
    assert not torch.equal(tokens, repeated_tokens(small[0], 9, 4, 1))


def test_patterns_are_what_the_pattern_hook_gives(small):
    model, _ = small
    graph, n = Graph.from_model(model), 6
    frame = measure_patterns(model, length=n, count=3)
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
    frame = measure_patterns(model, length=6, count=3).set_index("head")
    _, cache = model.run_with_cache(tokens)
    net = read_network(model)
    for n, h in ((0, 0), (1, 3)):
        v = cache[f"blocks.{n}.attn.hook_v"][:, 1:7]
        write = v[:, :, h * v.shape[2] // graph.n_heads] @ model.blocks[n].attn.W_O[h]
        write = write - write.mean(-1, keepdim=True) if net.norm.centred else write
        best = (write * net.norm.weight @ model.W_U).topk(5).indices
        assert frame.copies[f"a{n}.h{h}"] == pytest.approx((best == tokens[:, 1:7, None]).any(-1).float().mean().item())


def test_planted_heads_copy_what_they_were_made_to(known):
    options = dict(length=8, pairs=known.indirect, vocabulary=known.vocabulary)
    copies = measure_patterns(known.model, **options).set_index("head").copies
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
    frame = measure_patterns(atlas, length=5, count=2, pairs=pairs)
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


def test_the_effect_via_queries_is_that_of_the_edges_alone(known):
    effects = effect_via_queries(known.model, known.indirect)
    graph = Graph.from_model(known.model)
    cut = {name for name in Circuit.full(graph).edges if name.startswith("a1.h1->") and name.endswith("<q>")}
    logits = run_circuit(known.model, Circuit.full(graph) - Circuit.from_edges(graph, cut), known.indirect)
    fall = logit_diff(known.indirect.reference, known.indirect) - logit_diff(logits, known.indirect)
    assert effects[1, 1].item() == pytest.approx(fall.mean().item(), abs=1e-3) and fall.mean() > 1
    assert effects[0, 0].abs() < 1e-3 and (effects[-1] == 0).all()


def test_a_backup_writes_when_the_name_movers_are_cut(known):
    before = names_written(known.model, known.indirect)
    after = names_written(known.model, known.indirect, ["a2.h0"])
    assert before[2, 0] > 1 and abs(after[2, 0]) < 0.5 and before[3, 0] < 0.2 and after[3, 0] > 1


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
        measure_patterns(model, length=40)
    with pytest.raises(ValueError, match="can't be drawn from 3"):
        measure_patterns(model, length=10, vocabulary=[1, 2, 3])
    with pytest.raises(ValueError, match="answer stand once and the wrong answer twice"):
        measure_patterns(model, length=5, count=2, pairs=pairs)


@pytest.mark.parametrize("name", ["subject_times", "effect_times", "pattern"])
def test_thresholds_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be positive"):
        Thresholds(**{name: 0.0})


def test_rules_state_what_they_need():
    """One head a row, each just on the wrong side of one rule."""
    base = dict.fromkeys(("previous", "duplicate", "induction", "to_io", "to_s1", "to_s2", "effect_via_queries"), 0.0)
    base |= {"writes_io": 0.0, "model_diff": 6.0, "uniform": 0.1, "uniform_previous": 0.1, "uniform_io": 0.1}
    rows = [
        base | {"to_io": 0.9, "writes_io": 2.0},
        base | {"to_io": 0.45, "to_s1": 0.5, "writes_io": 2.0},  # looks at the subject more
        base | {"to_io": 0.5, "to_s1": 0.45, "writes_io": 2.0},  # looks at both alike
        base | {"to_io": 0.9, "writes_io": -2.0},
        base | {"to_s2": 0.9},  # no effect
        base | {"previous": 0.45},
    ]
    fits = skill_rules(pd.DataFrame(rows), Thresholds())
    found = [[name for name in fits.columns if row[name]] for _, row in fits.iterrows()]
    assert found == [["name mover"], [], [], ["negative name mover"], [], []]
