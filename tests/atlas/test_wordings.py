"""Relations in several wordings: taught words are those of training, held-out ones aren't."""

import pytest

from helpers import relation
from helpers.atlas.wordings import taught_and_held_out, worded_pairs
from helpers.prompts.relations import held_out_paraphrases, taught_paraphrases


def test_taught_and_held_out_words_are_that(atlas):
    asked = relation("animal_sound")
    taught, held_out = taught_and_held_out(atlas, "animal_sound", 12)
    assert len(taught) == len(held_out) > 6 and taught.answers == held_out.answers
    for pairs, paraphrases in ((taught, taught_paraphrases), (held_out, held_out_paraphrases)):
        prompts = {asked.prompt(f, p) for f in asked.facts for p in paraphrases(asked, f)}
        assert set(pairs.clean) <= prompts
        assert (pairs.clean_logits(atlas).argmax(-1) == pairs.answer_ids).all()


def test_unknown_wordings_are_refused(atlas):
    with pytest.raises(ValueError, match="unknown wording 'loud'; choose from first wording"):
        worded_pairs(atlas, "country_capital", "loud")
