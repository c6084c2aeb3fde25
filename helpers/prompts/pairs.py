"""Pairs of prompts for circuit work: a clean prompt, and a corrupt one of the same length with another answer.

Pairs may differ in length from each other; computations take them group by group (`PromptPairs.groups`), so nothing
is ever padded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.checks import Count, Model, checked
from helpers.models.network import read_network
from helpers.models.predict import answer_ids, logits_after, prompt_ids, token_span

Place = Literal["subject", "subject_last", "relation", "last"]


@dataclass(frozen=True)
class PromptPairs:
    """Prompt pairs with their tokens and answers; no logits, which would be those of a model as it once was.

    ``subjects`` are the positions of the subject's tokens (the same in both prompts), where known; ``vocabulary`` names
    the tokens that the ids mean (`vocabulary_of`).
    """

    clean: tuple[str, ...]
    corrupt: tuple[str, ...]
    answers: tuple[str, ...]
    wrong: tuple[str, ...]
    clean_ids: tuple[tuple[int, ...], ...]
    corrupt_ids: tuple[tuple[int, ...], ...]
    answer_ids: Int[Tensor, " batch"]
    wrong_ids: Int[Tensor, " batch"]
    subjects: tuple[slice | None, ...]
    vocabulary: str

    @staticmethod
    @checked
    def from_prompts(
        model: Model,
        clean: Sequence[str],
        corrupt: Sequence[str],
        answers: Sequence[str],
        wrong: Sequence[str],
        *,
        subjects: Sequence[str] | None = None,
        first_token: bool = False,
        alike: bool = False,
    ) -> PromptPairs:
        """Pairs from texts, each with BOS in front.

        Args:
            model: the bridge whose tokenizer they are for.
            answers, wrong: the right answer of each clean prompt and of each corrupt one, as they stand after the
                prompt (so mostly with a leading space).
            subjects: the subject of each clean prompt, to be found in it.
            first_token: let an answer of several tokens stand for its first one.
            alike: let a pair's two prompts, or its two answers, be the same: for runs that don't compare them.

        Raises:
            ValueError: if the lists differ in length, the two prompts of a pair differ in their number of tokens or
                don't differ at all, or an answer isn't one token or is the wrong one, too; the message shows the text.
        """
        _equally_many(clean=clean, corrupt=corrupt, answers=answers, wrong=wrong, subjects=subjects)
        tokenizer = model.tokenizer
        ids = [[prompt_ids(tokenizer, text) for text in texts] for texts in (clean, corrupt)]
        targets = [
            [_answer_id(tokenizer, prompt, text, first_token) for prompt, text in zip(clean, texts, strict=True)]
            for texts in (answers, wrong)
        ]
        asked = [(prompt, None) for prompt in clean] if subjects is None else zip(clean, subjects, strict=True)
        spans = [None if subject is None else token_span(tokenizer, prompt, subject) for prompt, subject in asked]
        return _made(model, (clean, corrupt, answers, wrong), ids, targets, spans, alike)

    @staticmethod
    @checked
    def from_tokens(
        model: Model,
        clean: Sequence[Sequence[int]],
        corrupt: Sequence[Sequence[int]],
        answers: Sequence[int],
        wrong: Sequence[int],
        *,
        alike: bool = False,
    ) -> PromptPairs:
        """Pairs from token ids that no text would encode to, such as random ones; BOS has to be among them.

        Raises:
            ValueError: as `from_prompts`, or for ids that the vocabulary doesn't have.
        """
        _equally_many(clean=clean, corrupt=corrupt, answers=answers, wrong=wrong)
        size = model.W_E.shape[0]
        strange = [i for row in (*clean, *corrupt, answers, wrong) for i in row if not 0 <= i < size]
        if strange:
            raise ValueError(f"{strange[0]} is no token of this model; its ids are 0 to {size - 1}")
        decode = model.tokenizer.decode
        prompts = [[decode(row) for row in part] for part in (clean, corrupt)]
        targets = [[decode([token]) for token in part] for part in (answers, wrong)]
        return _made(model, (*prompts, *targets), (clean, corrupt), (answers, wrong), [None] * len(clean), alike)

    def check_model(self, model) -> None:
        """Raise ValueError if a model's tokenizer gives other ids than the one that these pairs were made with."""
        if vocabulary_of(model.tokenizer) != self.vocabulary:
            raise ValueError("these pairs were made for a model with another tokenizer, or another token before each "
                             "text; make them again for this model")  # fmt: skip

    @torch.no_grad()
    def clean_logits(self, model, *, batch: int | None = None) -> Float[Tensor, "batch d_vocab"]:
        """The whole model's logits after the clean prompts, from its weights as they are now (hooks aren't asked).

        Raises:
            ValueError: for a model with another tokenizer.
        """
        self.check_model(model)
        return logits_after(read_network(model), self.clean_ids, batch=batch)[:, 0]

    def __len__(self) -> int:
        return len(self.clean)

    def __repr__(self) -> str:
        lengths = sorted({len(ids) for ids in self.clean_ids})
        tokens = "-".join(map(str, lengths[:1] + lengths[1:][-1:]))
        rows = zip(self.clean[:1], self.answers, self.corrupt, self.wrong, strict=False)
        first = "".join(f": {clean!r} -> {a!r} | {corrupt!r} -> {w!r}" for clean, a, corrupt, w in rows)
        return f"PromptPairs({len(self)} pairs of {tokens} tokens{first}{', ...' if len(self) > 1 else ''})"

    def select(self, index: Sequence[int] | Int[Tensor, " chosen"] | Bool[Tensor, " batch"]) -> PromptPairs:
        """The pairs at the given places, in that order (a place may come several times), or where a mask is true.

        Raises:
            ValueError: for places that aren't there.
        """
        places = torch.as_tensor(index)
        if places.dtype == torch.bool and places.shape == (len(self),):
            places = places.nonzero()[:, 0]
        if places.numel() and (places.is_floating_point() or places.dtype == torch.bool or places.ndim != 1
                               or not -len(self) <= int(places.min()) <= int(places.max()) < len(self)):  # fmt: skip
            raise ValueError(f"select takes places from 0 to {len(self) - 1}, or a mask of {len(self)} pairs")
        chosen = places.tolist()

        def part(value: Tensor | tuple | str) -> Tensor | tuple | str:
            if isinstance(value, tuple):
                return tuple(value[i] for i in chosen)
            return value if isinstance(value, str) else value[places.to(value.device, torch.long)]

        return PromptPairs(*(part(getattr(self, field.name)) for field in fields(self)))

    @checked
    def groups(self, batch: Count | None = None) -> list[tuple[Int[Tensor, " chosen"], PromptPairs]]:
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
            ValueError: for another place, or if a subject is asked for and unknown.
        """
        if place not in get_args(Place):
            raise ValueError(f"unknown place {place!r}; choose from {', '.join(get_args(Place))}")
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


@lru_cache(maxsize=16)
def vocabulary_of(tokenizer) -> str:
    """A digest of what ids mean to a tokenizer, and of what it puts before a text."""
    known = sorted(tokenizer.get_vocab().items()), tokenizer.bos_token_id
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def _equally_many(**lists: Sequence | None) -> None:
    sizes = sorted({len(part) for part in lists.values() if part is not None})
    if sizes == [0]:
        raise ValueError("no prompt pairs: clean is empty")
    if len(sizes) > 1:
        raise ValueError(f"{', '.join(lists)} must be equally many, not {sizes}")


def _made(model, texts, ids, targets, spans, alike: bool) -> PromptPairs:
    for number, (first, second, answer, wrong) in enumerate(zip(*ids, *targets, strict=True)):
        one, other = texts[0][number], texts[1][number]
        if len(first) != len(second):
            raise ValueError(
                f"{one!r} has {len(first)} tokens and {other!r} has {len(second)}; a pair's prompts must be "
                "equally long, because a circuit replaces activations position by position"
            )
        if not alike and (list(first) == list(second) or answer == wrong):
            what = "answers begin with the same token" if answer == wrong else "prompts are the same"
            raise ValueError(f"pair {number}: its two {what}, so nothing could be told apart: {one!r}, {other!r}")
    device = model.W_E.device
    return PromptPairs(
        *map(tuple, texts),
        *(tuple(map(tuple, part)) for part in ids),
        *(torch.tensor(part, device=device) for part in targets),
        subjects=tuple(spans),
        vocabulary=vocabulary_of(model.tokenizer),
    )


def _answer_id(tokenizer, prompt: str, answer: str, first_token: bool) -> int:
    ids = answer_ids(tokenizer, prompt, answer)
    if len(ids) > 1 and not first_token:
        parts = [tokenizer.decode(i) for i in ids]
        raise ValueError(f"{answer!r} is {len(ids)} tokens after {prompt!r} ({parts}); choose one token or first_token")
    return ids[0]
