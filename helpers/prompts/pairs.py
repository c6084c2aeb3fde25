"""Pairs of prompts for circuit work: a clean prompt, and a corrupt one of the same length with another answer.

Pairs may differ in length from each other; computations take them group by group (`PromptPairs.groups`), so nothing
is ever padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.models.network import read_network
from helpers.models.predict import answer_ids, logits_after, prompt_ids, token_span

Place = Literal["subject", "subject_last", "relation", "last"]


@dataclass(frozen=True)
class PromptPairs:
    """Prompt pairs with their tokens and answers.

    ``reference`` holds the logits after the clean prompts, from all weights as they are then (hooks aren't asked).
    ``subjects`` are the positions of the subject's tokens (the same in both prompts), where known.
    """

    clean: tuple[str, ...]
    corrupt: tuple[str, ...]
    answers: tuple[str, ...]
    wrong: tuple[str, ...]
    clean_ids: tuple[tuple[int, ...], ...]
    corrupt_ids: tuple[tuple[int, ...], ...]
    answer_ids: Int[Tensor, " batch"]
    wrong_ids: Int[Tensor, " batch"]
    reference: Float[Tensor, "batch d_vocab"]
    subjects: tuple[slice | None, ...]

    @staticmethod
    def from_prompts(
        model,
        clean: Sequence[str],
        corrupt: Sequence[str],
        answers: Sequence[str],
        wrong: Sequence[str],
        *,
        subjects: Sequence[str] | None = None,
        first_token: bool = False,
    ) -> PromptPairs:
        """Pairs from texts, each with BOS in front.

        Args:
            model: the bridge whose tokenizer and logits they are for.
            answers, wrong: the right answer of each clean prompt and of each corrupt one, as they stand after the
                prompt (so mostly with a leading space).
            subjects: the subject of each clean prompt, to be found in it.
            first_token: let an answer of several tokens stand for its first one.

        Raises:
            ValueError: if the lists differ in length, the two prompts of a pair differ in their number of tokens, or
                an answer isn't one token; the message shows the text.
        """
        sizes = {len(clean), len(corrupt), len(answers), len(wrong)} | ({len(subjects)} if subjects else set())
        if len(sizes) > 1:
            raise ValueError(f"clean, corrupt, answers, wrong and subjects must be equally many, not {sorted(sizes)}")
        if not clean:
            raise ValueError("no prompt pairs: clean is empty")
        tokenizer = model.tokenizer
        ids = [[tuple(prompt_ids(tokenizer, text)) for text in texts] for texts in (clean, corrupt)]
        for text, other, first, second in zip(clean, corrupt, *ids, strict=True):
            if len(first) != len(second):
                raise ValueError(
                    f"{text!r} has {len(first)} tokens and {other!r} has {len(second)}; a pair's prompts must be "
                    "equally long, because a circuit replaces activations position by position"
                )
        targets = [
            [_answer_id(tokenizer, prompt, text, first_token) for prompt, text in zip(clean, texts, strict=True)]
            for texts in (answers, wrong)
        ]
        asked = [(prompt, None) for prompt in clean] if subjects is None else zip(clean, subjects, strict=True)
        spans = [None if subject is None else token_span(tokenizer, prompt, subject) for prompt, subject in asked]
        device = model.W_E.device
        return PromptPairs(
            tuple(clean),
            tuple(corrupt),
            tuple(answers),
            tuple(wrong),
            *map(tuple, ids),
            *(torch.tensor(t, device=device) for t in targets),
            reference=logits_after(read_network(model), ids[0])[:, 0],
            subjects=tuple(spans),
        )

    @staticmethod
    def from_tokens(
        model,
        clean: Sequence[Sequence[int]],
        corrupt: Sequence[Sequence[int]],
        answers: Sequence[int],
        wrong: Sequence[int],
    ) -> PromptPairs:
        """Pairs from token ids that no text would encode to, such as random ones; BOS has to be among them.

        Raises:
            ValueError: if the lists differ in length, or the two prompts of a pair do.
        """
        sizes = {len(clean), len(corrupt), len(answers), len(wrong)}
        unequal = [n for n, pair in enumerate(zip(clean, corrupt, strict=False)) if len(pair[0]) != len(pair[1])]
        if len(sizes) > 1 or unequal:
            where = f"pair {unequal[0]} has prompts of unequal length" if unequal else f"there are {sorted(sizes)}"
            raise ValueError(f"clean, corrupt, answers and wrong must be equally many, of equal length: {where}")
        ids = [tuple(map(tuple, part)) for part in (clean, corrupt)]
        device, decode = model.W_E.device, model.tokenizer.decode
        return PromptPairs(
            *(tuple(decode(row) for row in part) for part in ids),
            *(tuple(decode([token]) for token in part) for part in (answers, wrong)),
            *ids,
            *(torch.tensor(part, device=device) for part in (answers, wrong)),
            reference=logits_after(read_network(model), ids[0])[:, 0],
            subjects=(None,) * len(ids[0]),
        )

    def __len__(self) -> int:
        return len(self.clean)

    def __repr__(self) -> str:
        lengths = sorted({len(ids) for ids in self.clean_ids})
        tokens = "-".join(map(str, lengths[:1] + lengths[1:][-1:]))
        rows = zip(self.clean[:1], self.answers, self.corrupt, self.wrong, strict=False)
        first = "".join(f": {clean!r} -> {a!r} | {corrupt!r} -> {w!r}" for clean, a, corrupt, w in rows)
        return f"PromptPairs({len(self)} pairs of {tokens} tokens{first}{', ...' if len(self) > 1 else ''})"

    def select(self, index: Sequence[int] | Int[Tensor, " chosen"]) -> PromptPairs:
        """The pairs at the given places, in that order (a place may come several times)."""
        places = torch.as_tensor(index)

        def chosen(value: Tensor | tuple) -> Tensor | tuple:
            one = isinstance(value, Tensor)
            return value[places.to(value.device)] if one else tuple(value[i] for i in places.tolist())

        return PromptPairs(*(chosen(getattr(self, field.name)) for field in fields(self)))

    def groups(self, batch: int | None = None) -> list[tuple[Int[Tensor, " chosen"], PromptPairs]]:
        """The pairs by length, at most ``batch`` at a time: (their places, the pairs) for each group."""
        by_length: dict[int, list[int]] = {}
        for place, ids in enumerate(self.clean_ids):
            by_length.setdefault(len(ids), []).append(place)
        size = batch or len(self)
        parts = [places[i : i + size] for places in by_length.values() for i in range(0, len(places), size)]
        return [(torch.tensor(part), self.select(part)) for part in parts]

    @property
    def clean_tokens(self) -> Int[Tensor, "batch pos"]:
        """The clean prompts' tokens, if all are equally long."""
        return self._tokens(self.clean_ids)

    @property
    def corrupt_tokens(self) -> Int[Tensor, "batch pos"]:
        """The corrupt prompts' tokens, if all are equally long."""
        return self._tokens(self.corrupt_ids)

    def _tokens(self, ids: tuple[tuple[int, ...], ...]) -> Int[Tensor, "batch pos"]:
        lengths = sorted({len(row) for row in ids})
        if len(lengths) > 1:
            raise ValueError(f"pairs of {lengths} tokens aren't one tensor; take them from groups()")
        return torch.tensor(ids, device=self.answer_ids.device)

    def positions(self, place: Place) -> Bool[Tensor, "batch pos"]:
        """Where each prompt's subject, subject's last token, other words (``"relation"``) or last token stands.

        Raises:
            ValueError: if a subject is asked for and unknown.
        """
        result = torch.zeros(self.clean_tokens.shape, dtype=torch.bool, device=self.answer_ids.device)
        if place == "last":
            result[:, -1] = True
            return result
        for row, span in enumerate(self.subjects):
            if span is None:
                raise ValueError(f"the subject of {self.clean[row]!r} isn't known; give from_prompts its subjects")
            if place == "subject_last":
                span = slice(span.stop - 1, span.stop)
            result[row, span] = True
        if place == "relation":
            result = ~result
            result[:, 0] = result[:, -1] = False
        return result

    @property
    def first_difference(self) -> int:
        """The first position at which a pair's prompts differ; before it, clean and corrupt runs are the same."""
        differs = (self.clean_tokens != self.corrupt_tokens).any(0)
        return int(differs.int().argmax()) if differs.any() else self.clean_tokens.shape[1] - 1


def _answer_id(tokenizer, prompt: str, answer: str, first_token: bool) -> int:
    ids = answer_ids(tokenizer, prompt, answer)
    if len(ids) > 1 and not first_token:
        parts = [tokenizer.decode(i) for i in ids]
        raise ValueError(f"{answer!r} is {len(ids)} tokens after {prompt!r} ({parts}); choose one token or first_token")
    return ids[0]
