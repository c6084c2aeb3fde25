"""Pairs for skills corrupt what they say, and the model has the skill on them."""

import re

import pytest
import torch

from helpers import Graph, eap_ig, faithfulness, logit_diff, random_circuit
from helpers.atlas.skills import greater_than_pairs, induction_pairs
from helpers.circuits.metrics import hit_at_k
from helpers.models.predict import logits_after
from helpers.prompts.skills import indirect_object_pairs
from helpers.studies.greater_than.years import year_diff


def corrupt_logits(model, pairs) -> torch.Tensor:
    return logits_after(model, pairs.corrupt_ids)[:, 0]


def test_indirect_object_pairs_repeat_the_other_name(atlas):
    pairs = indirect_object_pairs(atlas, 20)
    for clean, corrupt, answer, wrong in zip(pairs.clean, pairs.corrupt, pairs.answers, pairs.wrong, strict=True):
        assert clean != corrupt and clean.count(wrong.strip()) == 2 and corrupt.count(answer.strip()) == 2
        assert clean.count(answer.strip()) == 1 == corrupt.count(wrong.strip())


def test_induction_pairs_corrupt_three_things(atlas):
    pairs = induction_pairs(atlas, 12)
    for number, (clean, corrupt) in enumerate(zip(pairs.clean_ids, pairs.corrupt_ids, strict=True)):
        first, asked = list(clean[1:9]), clean[-1]
        answer, wrong = pairs.answer_ids[number].item(), pairs.wrong_ids[number].item()
        assert first[first.index(asked) + 1] == answer != wrong
        other = list(corrupt[1:9])
        assert other[other.index(corrupt[-1]) + 1] == wrong
        assert (corrupt[-1] == asked) == (number % 3 != 1)
        assert (sorted(other) == sorted(first)) == (number % 3 != 2)
    assert hit_at_k(pairs.clean_logits(atlas), pairs, 1).mean() > 0.9
    assert (corrupt_logits(atlas, pairs).argmax(-1) == pairs.wrong_ids).float().mean() > 0.9
    with pytest.raises(ValueError, match="at least 4, for another place to look at, .* not 3"):
        induction_pairs(atlas, 3, length=3)


def test_greater_than_pairs_begin_in_the_year_one(atlas):
    pairs = greater_than_pairs(atlas, 30)
    metric = year_diff(atlas, pairs)
    for clean, corrupt, answer, wrong in zip(pairs.clean, pairs.corrupt, pairs.answers, pairs.wrong, strict=True):
        start = int(re.search(r"\d\d(\d\d)", clean)[1])
        assert int(wrong) < start < int(answer) and int(re.search(r"\d\d(\d\d)", corrupt)[1]) == 1
        assert re.sub(r"\d\d", "", clean) == re.sub(r"\d\d", "", corrupt)
    assert metric(pairs.clean_logits(atlas), pairs).mean() > 0.8
    assert metric(corrupt_logits(atlas, pairs), pairs).mean() < 0.3


def test_year_diff_by_hand(atlas):
    pairs = greater_than_pairs(atlas, 4)
    metric = year_diff(atlas, pairs)
    years = [atlas.tokenizer.encode(f"17{y:02d}", add_special_tokens=False)[-1] for y in range(100)]
    for row, text in enumerate(pairs.clean):
        start = int(re.search(r"\d\d(\d\d)", text)[1])
        p = pairs.clean_logits(atlas)[row].softmax(-1)[years]
        expected = p[start + 1 :].sum() - p[: start + 1].sum()
        torch.testing.assert_close(metric(pairs.clean_logits(atlas), pairs)[row], expected)
    chosen = pairs.select([2, 2])
    torch.testing.assert_close(
        metric(chosen.clean_logits(atlas), chosen), metric(pairs.clean_logits(atlas), pairs)[[2, 2]]
    )


@pytest.mark.parametrize(("skill", "share"), [("induction", 0.08), ("indirect object", 0.03), ("greater-than", 0.03)])
def test_a_small_circuit_has_the_skill(atlas, skill, share):
    """Found on one set of pairs, it keeps most of the skill on another; a random circuit of that size keeps nothing.

    Copying any of thousands of tokens takes more edges than the other two.
    """
    make = {"induction": induction_pairs, "indirect object": indirect_object_pairs, "greater-than": greater_than_pairs}
    train, test = (make[skill](atlas, 30, seed=seed) for seed in (0, 1))
    metric = year_diff(atlas, train) if skill == "greater-than" else logit_diff
    graph = Graph.from_model(atlas)
    circuit = eap_ig(atlas, train, metric).greedy(int(share * graph.n_edges))
    assert faithfulness(atlas, circuit, test, metric) > 0.75
    assert faithfulness(atlas, random_circuit(graph, circuit.n_edges), test, metric) < 0.1
