"""Indirect objects beside prompts with other names altogether, of whom nobody comes twice."""

from __future__ import annotations

import random
import re

from helpers.atlas.skills import indirect_object_pairs, skill_words
from helpers.models.predict import prompt_ids
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Split, stable_hash


def other_names_pairs(model, n: int, split: Split, seed: int = 0) -> PromptPairs:
    """Indirect objects whose corrupt prompts have three other names, none of them twice (Wang's p_ABC)."""
    pairs, rng = indirect_object_pairs(model, n, seed, split), random.Random(stable_hash("other names", split) + seed)
    decode, length = model.tokenizer.decode, lambda text: len(prompt_ids(model.tokenizer, text))
    corrupt, asked = [], [[decode(int(i)) for i in ids] for ids in (pairs.answer_ids, pairs.wrong_ids)]
    for text, io, s in zip(pairs.clean, *asked, strict=True):
        while True:
            names = iter(rng.sample([name for name in skill_words()["names"] if f" {name}" not in (io, s)], 3))
            other = re.sub(rf"\b({io.strip()}|{s.strip()})\b", lambda _, names=names: next(names), text)
            if length(other) == length(text):
                break
        corrupt.append(other)
    return PromptPairs.from_prompts(model, list(pairs.clean), corrupt, *asked, first_token=True)
