"""Neurons add up to their MLP, and knocking all of them out is cutting it."""

import pytest
import torch
from small_models import planted_chain

from helpers import logit_diff, relation, relation_pairs
from helpers.components.lens import neuron_words
from helpers.models.network import read_network
from helpers.prompts.relations import held_out_paraphrases
from helpers.studies.mlps.cuts import cut_sublayers
from helpers.studies.mlps.neurons import (
    answer_neurons,
    knockouts,
    needed_for,
    reworded,
    shared_neurons,
    without_each,
    without_neurons,
)


def test_neurons_add_up_to_the_mlp(small):
    from helpers.components.lens import attribution_by_sublayer

    model, pairs = small
    net, added = read_network(model), attribution_by_sublayer(model, pairs)
    for n, layer in enumerate(net.layers):
        found = answer_neurons(model, pairs, n)
        if not layer.b_out.any():
            assert torch.allclose(found.total, added[2 * n + 2], atol=1e-3)
        _, cache = model.run_with_cache(torch.tensor([pairs.clean_ids[1]]))
        out = found.activations[1] @ layer.W_out + layer.b_out
        assert torch.allclose(out, cache[f"blocks.{n}.hook_mlp_out"][0, -1], atol=1e-3)


def test_all_neurons_out_is_the_mlp_cut(small):
    model, pairs = small
    for n, layer in enumerate(read_network(model).layers):
        every = torch.arange(layer.W_out.shape[0]).expand(len(pairs), -1)
        ours = without_neurons(model, pairs, n, every)
        assert torch.allclose(ours, cut_sublayers(model, pairs, [(n, "MLP")], at="last", ablation="zero"), atol=1e-3)
        none = without_neurons(model, pairs, n, every[:, :0])
        assert torch.allclose(none, pairs.clean_logits(model), atol=1e-3)


def test_instead_is_what_the_neuron_says(small):
    model, pairs = small
    found = answer_neurons(model, pairs, 0)
    one = torch.full((len(pairs), 1), 3)
    same = pairs.select([0])
    kept = without_neurons(model, same, 0, one[:1], found.activations[0])
    assert torch.allclose(kept, same.clean_logits(model), atol=1e-3), "its own activation changes nothing"
    assert not torch.allclose(without_neurons(model, same, 0, one[:1], found.activations[0] + 5), kept, atol=1e-3)


def test_the_planted_neurons_are_found():
    planted = planted_chain()
    found = answer_neurons(planted.model, planted.pairs, 0)
    words = planted.pairs.answer_ids - 1
    assert torch.equal(found.written.argmax(-1), words), "neuron w writes the answer of word w"
    assert (needed_for(found.written) == 1).all()
    answer = planted.model.tokenizer.decode([2])
    assert neuron_words(planted.model, 0, 1, k=1) == [answer]


def test_several_choices_are_each_alone(small):
    model, pairs = small
    choices = [torch.arange(k).expand(len(pairs), -1) for k in (1, 4)]
    both = without_each(model, pairs, 0, choices)
    for chosen, logits in zip(choices, both, strict=True):
        assert torch.allclose(logits, without_neurons(model, pairs, 0, chosen), atol=1e-4)


def test_facts_share_neurons_by_what_they_have_in_common(atlas):
    asked = {name: relation_pairs(atlas, name, 20, split="test") for name in ("country_language", "past_tense")}
    shared = shared_neurons(atlas, asked, 5)
    assert shared.is_monotonic_decreasing and shared["chance"] == 10 / 768
    same, every = asked["country_language"], read_network(atlas).layers[5].W_out.shape[0]
    whole = shared_neurons(atlas, {"country_language": same}, 5, every)
    assert whole["same relation, other answer"] == 1, "all neurons are shared"


def test_knockouts_choose_in_one_wording_and_cut_in_another(atlas):
    pairs = relation_pairs(atlas, "country_capital", 6, split="test")
    table = knockouts(atlas, {"country_capital": pairs}, 5, (1, 20))
    chosen, again = reworded(atlas, "country_capital", pairs)
    found = answer_neurons(atlas, pairs, 5)
    ids = found.written[chosen].argsort(descending=True)[:, :20]
    whole = logit_diff(again.clean_logits(atlas), again)
    left = logit_diff(without_neurons(atlas, again, 5, ids, found.activations.mean(0)), again)
    own = table.query('out == "the fact\'s own" and k == 20')
    assert own.pair.tolist() == chosen.tolist()
    assert own.fall.tolist() == pytest.approx((whole - left).tolist(), abs=1e-3)
    assert own.whole.tolist() == pytest.approx(whole.tolist(), abs=1e-3)


def test_how_many_are_needed():
    written = torch.tensor([[1.0, 4.0, -3.0, 2.0], [-5.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    half = needed_for(written)
    assert half[0] == 1 and half[1].isnan() and half[2] == 2
    assert needed_for(written, 1.0)[[0, 2]].tolist() == [1, 4], "four reach what all of the first row add up to"
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        needed_for(written, 0.0)


def test_bad_inputs(small):
    model, pairs = small
    with pytest.raises(ValueError, match="no layer 7; the model's are 0 to 1"):
        answer_neurons(model, pairs, 7)
    with pytest.raises(ValueError, match="neurons are chosen for 1"):
        without_neurons(model, pairs, 0, torch.zeros(1, 2, dtype=torch.long))


def test_reworded_pairs_ask_the_same_in_words_that_training_never_used(atlas):
    pairs = relation_pairs(atlas, "country_capital", 12, split="test")
    asked = relation("country_capital")
    chosen, again = reworded(atlas, "country_capital", pairs)
    assert 0 < len(chosen) == len(again) <= 12
    for i, clean, corrupt in zip(chosen.tolist(), again.clean, again.corrupt, strict=True):
        fact = next(f for f in asked.facts if asked.prompt(f) == pairs.clean[i])
        partner = next(f for f in asked.facts if asked.prompt(f) == pairs.corrupt[i])
        number = next(n for n in held_out_paraphrases(asked, fact) if asked.prompt(fact, n) == clean)
        assert corrupt == asked.prompt(partner, number) and not clean.startswith(fact.subject)
    assert again.answers == tuple(pairs.answers[i] for i in chosen.tolist())
