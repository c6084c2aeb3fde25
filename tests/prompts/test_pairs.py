"""Pairs are well formed, disjoint between splits, and what can't be a pair says why."""

import json

import pytest
import torch
from small_models import random_model

from helpers import PromptPairs, eap, load_model, read_relation, relation, relation_pairs
from helpers.prompts.facts import known_relations, split_of

CLEAN, CORRUPT = "The capital of France is", "The capital of Poland is"


def test_pairs_from_prompts(atlas):
    pairs = PromptPairs.from_prompts(atlas, [CLEAN], [CORRUPT], [" Paris"], [" Warsaw"], subjects=["France"])
    tokenizer = atlas.tokenizer
    assert tokenizer.decode(pairs.clean_tokens[0, 1:]).strip() == CLEAN
    assert pairs.clean_tokens[0, 0] == tokenizer.bos_token_id
    assert tokenizer.decode(pairs.answer_ids) == " Paris" and tokenizer.decode(pairs.wrong_ids) == " Warsaw"
    torch.testing.assert_close(pairs.clean_logits(atlas), atlas(pairs.clean_tokens)[:, -1])
    subject = pairs.positions("subject")[0].nonzero().flatten()
    assert tokenizer.decode(pairs.clean_tokens[0, subject]).strip() == "France"
    assert pairs.first_difference == subject[0]
    relation_words = pairs.clean_tokens[0, pairs.positions("relation")[0]]
    assert tokenizer.decode(relation_words).strip() == "The capital of"
    assert pairs.positions("last")[0].nonzero().item() == len(pairs.clean_ids[0]) - 1


def test_prompts_of_unequal_length_are_shown(atlas):
    with pytest.raises(ValueError, match=r"'The capital of France is' has 6 tokens and 'The .*Zealand is'"):
        PromptPairs.from_prompts(atlas, [CLEAN], ["The capital of New Zealand is"], [" Paris"], [" Wellington"])


def test_an_answer_of_several_tokens_is_shown(atlas):
    arguments = ([CLEAN], [CORRUPT], [" Addis Ababa"], [" Warsaw"])
    with pytest.raises(ValueError, match=r"' Addis Ababa' is \d tokens after .*first_token"):
        PromptPairs.from_prompts(atlas, *arguments)
    pairs = PromptPairs.from_prompts(atlas, *arguments, first_token=True)
    assert " Addis Ababa".startswith(atlas.tokenizer.decode(pairs.answer_ids))


def test_bad_lists_are_refused(atlas):
    with pytest.raises(ValueError, match=r"equally many, not \[1, 2\]"):
        PromptPairs.from_prompts(atlas, [CLEAN], [CORRUPT], [" Paris", " Rome"], [" Warsaw"])
    with pytest.raises(ValueError, match="clean is empty"):
        PromptPairs.from_prompts(atlas, [], [], [], [])
    pairs = PromptPairs.from_prompts(atlas, [CLEAN], [CORRUPT], [" Paris"], [" Warsaw"])
    with pytest.raises(ValueError, match="give from_prompts its subjects"):
        pairs.positions("subject")


def test_groups_are_of_one_length_and_lose_nothing(atlas):
    pairs = relation_pairs(atlas, "country_capital", 20)
    with pytest.raises(ValueError, match=r"groups\(\)"):
        _ = pairs.clean_tokens
    for batch in (None, 3):
        places = []
        for part, group in pairs.groups(batch):
            assert len(group) <= (batch or 20) and group.clean_tokens.shape == group.corrupt_tokens.shape
            assert group.clean == tuple(pairs.clean[i] for i in part)
            torch.testing.assert_close(group.clean_logits(atlas), pairs.clean_logits(atlas)[part])
            places += part.tolist()
        assert sorted(places) == list(range(20))


def test_relation_pairs_are_known_same_type_and_disjoint(atlas):
    train, test = (relation_pairs(atlas, "country_capital", 30, split=split) for split in ("train", "test"))
    capitals = relation("country_capital")
    by_prompt = {capitals.prompt(f): f for f in capitals.facts}
    for split, pairs in (("train", train), ("test", test)):
        for clean, corrupt in zip(pairs.clean, pairs.corrupt, strict=True):
            assert split_of(by_prompt[clean]) == split_of(by_prompt[corrupt]) == split
        assert (pairs.clean_logits(atlas).argmax(-1) == pairs.answer_ids).all()
        assert (pairs.answer_ids != pairs.wrong_ids).all()
        assert len(set(pairs.clean)) == 30, "no fact twice while there are others"
    assert not set(train.clean + train.corrupt) & set(test.clean + test.corrupt)
    again, other = (relation_pairs(atlas, "country_capital", 30, seed=seed) for seed in (0, 1))
    assert again.clean == train.clean and again.corrupt == train.corrupt and other.clean != train.clean


def test_facts_that_the_model_does_not_know_are_left_out(small):
    model, _ = small
    with pytest.raises(ValueError, match="that the model knows, not 5; ask for fewer"):
        relation_pairs(model, "country_capital", 5)
    with pytest.raises(ValueError, match="split has to be 'train' or 'test', not 'dev'"):
        relation_pairs(model, "country_capital", 5, split="dev")
    with pytest.raises(ValueError, match="unknown relation"):
        relation_pairs(model, "country_anthem", 5)


def test_a_readers_own_relation(atlas, tmp_path):
    capitals = relation("country_capital").facts[:40]
    samples = [{"subject": f.subject, "object": f.answer} for f in capitals]
    raw = {"name": "capital", "prompt_templates": ["The capital of {} is"], "samples": samples}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    pairs = relation_pairs(atlas, read_relation(path), 6)
    assert all(prompt.startswith("The capital of") for prompt in pairs.clean + pairs.corrupt)


def test_pairs_of_tokens(atlas):
    pairs = PromptPairs.from_tokens(atlas, [[0, 300, 301]], [[0, 300, 302]], [303], [304])
    torch.testing.assert_close(pairs.clean_logits(atlas), atlas(torch.tensor([[0, 300, 301]]))[:, -1])
    assert pairs.first_difference == 2 and pairs.answer_ids.tolist() == [303]
    with pytest.raises(ValueError, match="has 2 tokens and .* has 1; a pair's prompts must be equally long"):
        PromptPairs.from_tokens(atlas, [[0, 1]], [[0]], [2], [3])
    with pytest.raises(ValueError, match=r"equally many, not \[1, 2\]"):
        PromptPairs.from_tokens(atlas, [[0, 1]], [[0, 2]], [2, 3], [3])


def test_pairs_print_as_one_line(atlas):
    pairs = relation_pairs(atlas, "country_capital", 3)
    first = f"'{pairs.clean[0]}' -> '{pairs.answers[0]}' | '{pairs.corrupt[0]}' -> '{pairs.wrong[0]}'"
    assert repr(pairs.select([0, 0])) == f"PromptPairs(2 pairs of {len(pairs.clean_ids[0])} tokens: {first}, ...)"
    assert repr(pairs.select([0])).endswith(f" tokens: {first})")
    two = PromptPairs.from_tokens(atlas, [[0, 300], [0, 300, 301]], [[0, 400], [0, 400, 401]], [302, 303], [402, 403])
    assert repr(two).startswith("PromptPairs(2 pairs of 2-3 tokens: ") and "\n" not in repr(two)


def test_an_unknown_relation_is_no_unknown_fact(atlas):
    with pytest.raises(ValueError, match="unknown relation 'capitals'"):
        known_relations(atlas, ["country_capital", "capitals"], 3)


def test_relations_that_a_model_knows_too_little_of_are_left_out(atlas):
    few, none = 3, 10**6
    assert known_relations(atlas, ["plural", "country_capital"], few) == ["plural", "country_capital"]
    early = load_model("atlas@50")
    with pytest.raises(ValueError, match="knows none of novel_author, country_capital well enough for 30 pairs"):
        known_relations(early, ["novel_author", "country_capital"], 30)
    with pytest.raises(ValueError, match="knows none of plural"):
        known_relations(atlas, ["plural"], none)


def test_logits_are_those_of_the_model_as_it_is(small):
    model, pairs = small
    before = pairs.clean_logits(model)
    weight = model.original_model.lm_head.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.mul_(2)
        assert not torch.allclose(pairs.clean_logits(model), before)
        weight.copy_(kept)
    assert torch.equal(pairs.clean_logits(model), before)


def test_pairs_know_whose_tokens_they_are(atlas, tmp_path):
    pairs = relation_pairs(atlas, "country_capital", 2)
    other = random_model("gpt2", tmp_path)  # as many tokens, of the same tokenizer: another seed is no mistake
    assert pairs.clean_logits(other).shape == pairs.clean_logits(atlas).shape
    begun = load_model(tmp_path, begins_with="!")
    for ask in (pairs.clean_logits, lambda model: eap(model, pairs)):
        with pytest.raises(ValueError, match="another tokenizer, or another token before each text"):
            ask(begun)


def test_a_pair_has_something_to_tell_apart(atlas):
    one, other = "The capital of France is", "The capital of Japan is"
    make = PromptPairs.from_prompts
    with pytest.raises(ValueError, match="pair 0: its two prompts are the same"):
        make(atlas, [one], [one], [" Paris"], [" Tokyo"])
    with pytest.raises(ValueError, match="pair 0: its two answers begin with the same token"):
        make(atlas, [one], [other], [" Paris"], [" Paris"])
    assert len(make(atlas, [one], [one], [" Paris"], [" Paris"], alike=True)) == 1
    with pytest.raises(ValueError, match="9000000 is no token of this model"):
        PromptPairs.from_tokens(atlas, [[0, 9_000_000]], [[0, 300]], [301], [302])


def test_pairs_are_chosen_by_place_or_by_mask(atlas):
    pairs = relation_pairs(atlas, "country_capital", 4)
    mask = torch.tensor([False, True, False, True])
    for chosen in (pairs.select(mask), pairs.select([1, 3]), pairs.select(torch.tensor([1, 3]))):
        assert chosen.clean == (pairs.clean[1], pairs.clean[3])
        assert chosen.answer_ids.tolist() == pairs.answer_ids[[1, 3]].tolist()
    for wrong in ([4], [-5], [0.5], torch.tensor([True, False]), torch.zeros(1, 1, dtype=torch.long)):
        with pytest.raises(ValueError, match="select takes places from 0 to 3, or a mask of 4 pairs"):
            pairs.select(wrong)


def test_unknown_places_are_refused(atlas):
    pairs = relation_pairs(atlas, "country_capital", 1)
    with pytest.raises(ValueError, match="unknown place 'subjects'; choose from subject, subject_last"):
        pairs.positions("subjects")
