"""Heads in indirect objects: names, effects, against hooks and circuits; planted classes, and the rules for them."""

import pandas as pd
import pytest
import torch
from by_hooks import as_table, read_by_hand

from helpers import Circuit, Graph, logit_diff, run_circuit
from helpers.components.head_classes import Thresholds
from helpers.prompts.skills import indirect_object_pairs
from helpers.studies.indirect_objects.name_swaps import end_looks
from helpers.studies.indirect_objects.skill_classes import (
    classify_skill_heads,
    effect_via_queries,
    measure_indirect,
    name_attribution,
    name_positions,
    skill_rules,
)


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


def test_planted_skill_heads_are_found_and_no_others(known):
    table = classify_skill_heads(known.model, pairs=known.indirect, vocabulary=known.vocabulary, length=8)
    found = table.set_index("head")["class"]
    assert found[found != "none"].to_dict() == known.skills
    assert (table.fits.replace("", "none") == table["class"]).all()


def test_a_backup_writes_when_the_name_movers_are_cut(known):
    before = name_attribution(known.model, known.indirect)
    after = name_attribution(known.model, known.indirect, ["a2.h0"])
    assert before[2, 0] > 1 and abs(after[2, 0]) < 0.5 and before[3, 0] < 0.2 and after[3, 0] > 1


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


def test_other_pairs_are_refused(small):
    with pytest.raises(ValueError, match="answer stand once and the wrong answer twice"):
        measure_indirect(*small)
