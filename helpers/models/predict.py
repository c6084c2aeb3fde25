"""Ask a model: token ids of prompts and answers, and the logits after each prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.models.network import Network
from helpers.models.run import resume


@runtime_checkable
class Askable(Protocol):
    """What the functions below call ``model``: called with tokens it gives logits, and it has a tokenizer.

    A TransformerLens bridge is one, and is asked as it is: with its edits, and with hooks that are set on it.
    """

    tokenizer: Any

    def __call__(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_vocab"]:
        """The logits at all positions."""


@lru_cache(maxsize=2**16)  # the same prompts are asked many times over
def _encoded(tokenizer, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False))


def prompt_ids(tokenizer, prompt: str) -> list[int]:
    """The ids of a prompt, beginning with BOS once, whether or not the tokenizer adds it by itself."""
    return [tokenizer.bos_token_id, *_encoded(tokenizer, prompt)]


def answer_ids(tokenizer, prompt: str, answer: str) -> list[int]:
    """The ids of ``answer`` as it stands after ``prompt``.

    The answer is encoded in its place, because some tokenizers give a text a leading space (Atlas's, Llama's), and an
    answer alone would then be other tokens.

    Raises:
        ValueError: if prompt and answer merge into one token, so that there is no place between them.
    """
    before, both = _encoded(tokenizer, prompt), _encoded(tokenizer, prompt + answer)
    if both[: len(before)] != before or len(both) == len(before):
        raise ValueError(f"{answer!r} doesn't begin a new token after {prompt!r}; does it lack its leading space?")
    return list(both[len(before) :])


@torch.no_grad()
def logits_after(
    model: Askable | Network, ids: Sequence[Sequence[int]], last: int = 1, batch: int | None = None
) -> Float[Tensor, "prompt last d_vocab"]:
    """The logits at the ``last`` positions of each row of ids, computed in batches of equal length (no padding).

    Args:
        model: a bridge, whatever else is `Askable`, or a `Network`, which takes half the time and knows no hooks.
        batch: rows at a time; by default as many as fit.
    """
    cfg = getattr(model, "cfg", None)  # a bridge keeps an input for each head at each position, which adds up
    most = 256 if cfg is None else min(256, max(1, 2**21 // (cfg.n_heads * cfg.d_model)))
    groups, rows, batch = defaultdict(list), {}, batch or most
    for i, row in enumerate(ids):
        groups[len(row)].append(i)
    device = model.W_E.device if hasattr(model, "W_E") else None
    for length, members in groups.items():
        for start in range(0, len(members), batch):
            part = members[start : start + batch]
            tokens = torch.tensor([ids[i] for i in part], device=device)
            if isinstance(model, Network):
                keep = torch.arange(length - last, length, device=device).expand(len(part), -1)
                logits = resume(model, model.embed(tokens), keep=keep)
            else:
                logits = model(tokens)[:, -last:]
            rows.update(zip(part, logits.float().clone(), strict=True))
    return torch.stack([rows[i] for i in range(len(ids))])


def next_token_probabilities(model: Askable, prompts: Sequence[str]) -> Float[Tensor, "prompt d_vocab"]:
    """The probabilities of the token after each prompt."""
    return _next_logits(model, prompts).softmax(-1)


def likeliest_ids(model: Askable, prompts: Sequence[str]) -> Int[Tensor, " prompt"]:
    """The likeliest token after each prompt."""
    return _next_logits(model, prompts).argmax(-1)


def _next_logits(model: Askable, prompts: Sequence[str]) -> Float[Tensor, "prompt d_vocab"]:
    return logits_after(model, [prompt_ids(model.tokenizer, p) for p in prompts])[:, 0]


def likeliest(model: Askable, prompt: str, k: int = 3) -> list[str]:
    """The ``k`` likeliest next tokens with their probabilities, written out for a reader: ``"Tokyo 98%"``."""
    top = next_token_probabilities(model, [prompt])[0].topk(k)
    words = [model.tokenizer.decode([i]).strip() for i in top.indices.tolist()]
    return [f"{word} {share:.0%}" for word, share in zip(words, top.values.tolist(), strict=True)]


def top1_correct(model: Askable, prompts: Sequence[str], answers: Sequence[str]) -> Float[Tensor, " prompt"]:
    """1 where the likeliest token after a prompt is the first one of its answer, else 0.

    Args:
        answers: as they stand after their prompt, so mostly with a leading space (`answer_ids`).
    """
    said = likeliest_ids(model, prompts)
    first = [answer_ids(model.tokenizer, prompt, answer)[0] for prompt, answer in zip(prompts, answers, strict=True)]
    return (said == torch.tensor(first, device=said.device)).float()


def exact_match(model: Askable, prompts: Sequence[str], answers: Sequence[str]) -> Bool[Tensor, " prompt"]:
    """Whether greedy decoding says the whole answer after each prompt.

    Greedy decoding gives the answer exactly if, with the answer in place, each of its tokens is the likeliest one.
    """
    targets = [answer_ids(model.tokenizer, p, a) for p, a in zip(prompts, answers, strict=True)]
    right = torch.zeros(len(prompts), dtype=torch.bool)
    for length in set(map(len, targets)):
        members = [i for i, target in enumerate(targets) if len(target) == length]
        full = [prompt_ids(model.tokenizer, prompts[i]) + targets[i][:-1] for i in members]
        said = logits_after(model, full, last=length).argmax(-1).tolist()
        right[members] = torch.tensor([row == targets[i] for i, row in zip(members, said, strict=True)])
    return right


def token_span(tokenizer, prompt: str, part: str) -> slice:
    """The positions of ``part`` in a prompt that begins with BOS; the subject's last token is at ``span.stop - 1``.

    Raises:
        ValueError: if the prompt doesn't contain the part as whole tokens.
    """
    ids = prompt_ids(tokenizer, prompt)
    for start in range(1, len(ids)):  # at the start of a sentence a name may be other tokens than elsewhere
        for stop in range(start + 1, len(ids) + 1):
            if tokenizer.decode(ids[start:stop]).strip().lower() == part.lower():
                return slice(start, stop)
    raise ValueError(f"{part!r} isn't a run of whole tokens in {prompt!r}")


def first_token(model, prompt: str, answer: str) -> int:
    """The id of an answer's first token after a prompt (with a space between them)."""
    return answer_ids(model.tokenizer, prompt, f" {answer}")[0]


def padded(ids: Sequence[Sequence[int]], device=None) -> Int[Tensor, "row pos"]:
    """Rows of ids as one tensor, filled up at the end with id 0."""
    longest = max(map(len, ids))
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids], device=device)
