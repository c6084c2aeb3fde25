"""SmolLM2's heads, maps and skills: planted counts, hand-made cases, rows of the tables computed again."""

import pandas as pd
import pytest
import torch

from helpers import logit_diff, relation_pairs
from helpers.circuits.ablation import scenes
from helpers.circuits.evaluation import baselines
from helpers.models.network import read_network
from helpers.models.run import patch_residual, residuals
from helpers.studies import patching_maps
from helpers.studies.smollm2 import circuits, heads, skills
from helpers.studies.tables import read_table


def test_a_head_that_all_relations_share_is_beyond_chance_and_drawn_ones_are_not():
    rows = [(f"r{n}", "a3.h2", 3) for n in range(10)]
    rows += [(f"r{n}", f"a3.h{(n * 5 + 3) % 9}", 3) for n in range(10) if (n * 5 + 3) % 9 != 2]
    table = heads.shared_heads(pd.DataFrame(rows, columns=["relation", "head", "layer"]), 9).set_index("head")
    assert table.relations["a3.h2"] == 10 and table.p["a3.h2"] < 0.01 and table.p.drop("a3.h2").min() > 0.2
    assert table.expected["a3.h2"] == pytest.approx(len(rows) / 9)


def test_the_named_heads_of_the_real_model():
    named = heads.named_heads()
    assert set(named.relation) == set(circuits.known_relations()) and (named.groupby("relation").size() == 270).all()
    movers = named[named["class"].isin(["mover", "mixture"])]
    shared = heads.shared_heads(movers, 9).set_index("head")
    assert shared.relations["a23.h4"] > shared.expected["a23.h4"] and shared.p.min() < 0.05


@pytest.mark.parametrize(("position", "role"), [(1, None), (2, "subject before its last"), (3, "subject last"),
                                                (4, "words between"), (6, "last")])  # fmt: skip
def test_roles(position, role):
    assert patching_maps.role_of(position, slice(2, 4), 7) == role


def test_a_restored_state_is_that_of_a_patch_by_hand(atlas):
    pairs = relation_pairs(atlas, "country_capital", 6)
    net = read_network(atlas)
    for _, scene in scenes(atlas, pairs, "corrupt"):
        values = patching_maps.recovered_by_place(scene, "resid", 1)
        group, clean = scene.pairs, residuals(net, scene.tokens)
        bottom = logit_diff(net.unembed(residuals(net, group.corrupt_tokens)[-1][:, -1]), group)
        for layer, position in ((1, scene.start), (3, scene.tokens.shape[1] - 1)):
            stop = 2 * layer + 2
            patched = patch_residual(net, group.corrupt_tokens, stop, position, clean[stop][:, position])
            expected = logit_diff(patched, group) - bottom
            torch.testing.assert_close(values[layer, position - scene.start], expected, atol=1e-3, rtol=1e-4)


def test_an_answer_is_at_the_subject_and_then_at_the_end():
    table = read_table("smollm2_maps").query("part == 'resid' and relation == 'country_capital'")
    share = table.pivot_table(index="layer", columns="role", values="share")
    assert share.loc[6, "subject last"] > 0.8 > 0.2 > share.loc[6, "last"]
    assert share.loc[27, "last"] > 0.8 > 0.2 > share.loc[27, "subject last"]


def test_corrupt_prompts_have_three_other_names(smollm2):
    pairs = skills.other_names_pairs(smollm2, 6, "test")
    for clean, corrupt, io, s in zip(pairs.clean, pairs.corrupt, pairs.answers, pairs.wrong, strict=True):
        assert clean.count(s) == 2 or clean.startswith(s.strip())
        assert io.strip() not in corrupt.split() and s.strip() not in corrupt.split()
        assert sum(a != b for a, b in zip(clean.split(), corrupt.split(), strict=True)) == 3


def test_digits_go_through_the_decades(smollm2):
    pairs = skills.next_digit_pairs(smollm2, 12, "test")
    for number, (text, answer, wrong) in enumerate(zip(pairs.clean, pairs.answers, pairs.wrong, strict=True)):
        decade = skills.DECADES[number % len(skills.DECADES)]
        assert f"{decade}" == text.split(" the year ")[1][2] and int(wrong) < decade < int(answer)


def test_circuits_of_skills_keep_more_than_random_edges():
    table = read_table("smollm2_skills").query("edges == @circuits.COMPARED").set_index(["skill", "contrast"])
    assert set(table.index) == set(skills.SKILLS)
    kept = table[table.circuit == "found"].faithfulness
    for rival in ("random", "permuted heads"):
        assert (kept > table[table.circuit == rival].faithfulness + 0.2).all()


def test_the_committed_circuits(smollm2):
    table = read_table("smollm2_circuits")
    assert set(table.relation) == set(circuits.known_relations())
    capitals = table.query("relation == 'country_capital' and circuit == 'found'").set_index("edges")
    assert capitals.faithfulness[circuits.COMPARED] > 0.9
    assert table.query("circuit == 'random'").faithfulness.max() < 0.2
    template = int(capitals.template.iloc[0])
    test = relation_pairs(smollm2, "country_capital", circuits.TEST, split="test", paraphrase=template)
    scale = baselines(smollm2, test, logit_diff, "corrupt")
    smallest = circuits.found(smollm2, "country_capital", template, 0).greedy(circuits.SIZES[0])
    again = circuits.judged(smollm2, smallest, test, scale, "found")
    assert capitals.faithfulness[circuits.SIZES[0]] == pytest.approx(again["faithfulness"], abs=2e-3)


def test_acdc_ended_on_six_relations():
    table = read_table("smollm2_acdc")
    assert table.relation.nunique() >= 6 and set(table.circuit) == {"ACDC", "EAP-IG"}
    assert (table.groupby("relation").edges.nunique() == 1).all(), "both have as many edges"
