"""Ask a model: token ids of prompts and answers, and the logits after each prompt."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.checks import Count, checked
from helpers.models.network import Network
from helpers.models.run import resume

LETTER = "[0-9A-Za-z\u00b5-\u058f]"  # of the scripts that put spaces between words
AT_ONCE = 2**26  # logits in one tensor: a quarter of a gigabyte


@runtime_checkable
class Askable(Protocol):
    """What the functions below call ``model``: called with tokens it gives logits, and it has a tokenizer.

    A TransformerLens bridge is one, and is asked as it is: with its edits, and with hooks that are set on it.
    """

    tokenizer: Any

    def __call__(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_vocab"]:
        """The logits at all positions."""


def _ids(tokenizer, *parts: str) -> tuple[int, ...]:
    for text in parts:
        if not isinstance(text, str):
            raise ValueError(f"a prompt or an answer is a text, not {text!r} ({type(text).__name__})")
    return _encoded(tokenizer, "".join(parts))


@lru_cache(maxsize=2**16)  # the same prompts are asked many times over
def _encoded(tokenizer, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False))


@lru_cache(maxsize=2**12)
def _spots(tokenizer, text: str) -> list[tuple[int, int]]:
    """The first character of each token, and the one after its last."""
    return tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]


def prompt_ids(tokenizer, prompt: str) -> list[int]:
    """The ids of a prompt, beginning with BOS once, whether or not the tokenizer adds it or the text has it already.

    BOS is the tokenizer's own, or what `helpers.load_model` was told that texts begin with.
    """
    ids = _ids(tokenizer, prompt)
    return list(ids) if ids[:1] == (tokenizer.bos_token_id,) else [tokenizer.bos_token_id, *ids]


def answer_ids(tokenizer, prompt: str, answer: str) -> list[int]:
    """The ids of ``answer`` as it stands after ``prompt``.

    The answer is encoded in its place, because some tokenizers give a text a leading space (Atlas's, Llama's), and an
    answer alone would then be other tokens. An answer without a space may only follow what isn't a word of letters:
    digits go on with digits ("17", "32"), scripts without spaces with themselves.

    Raises:
        ValueError: if prompt and answer merge into one token, so that there is no place between them, a space stands
            at the prompt's end instead of before the answer, or is missing between two words.
    """
    before, both = _ids(tokenizer, prompt), _ids(tokenizer, prompt, answer)
    ends, begins = prompt[-1:], answer[:1]
    if ends.isspace() or (_cased(ends) and _cased(begins)):
        raise ValueError(f"{prompt!r}, {answer!r}: the space between them has to be the answer's, at its beginning")
    if both[: len(before)] != before or len(both) == len(before):
        raise ValueError(f"{answer!r} doesn't begin a new token after {prompt!r}; does it lack its leading space?")
    return list(both[len(before) :])


def _cased(letter: str) -> bool:
    """Whether it is a letter of a script that puts spaces between words (such scripts have capitals)."""
    return letter.upper() != letter.lower()


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
    n_ctx = cfg.n_ctx if cfg else getattr(model, "n_ctx", None)
    groups, rows = defaultdict(list), {}
    for i, row in enumerate(ids):
        groups[len(row)].append(i)
    if not ids or n_ctx and max(groups) > n_ctx:
        raise ValueError(f"a prompt has {max(groups)} tokens; this model reads {n_ctx}" if ids else "no prompts given")
    weights = getattr(model, "W_E", None)
    device, words = (None, 1) if weights is None else (weights.device, len(weights))
    for length, members in groups.items():
        fits = max(1, AT_ONCE // (words * (last if isinstance(model, Network) else length)))
        size = batch or min(most, fits)
        for start in range(0, len(members), size):
            part = members[start : start + size]
            tokens = torch.tensor([ids[i] for i in part], device=device)
            if isinstance(model, Network):
                keep = torch.arange(length - last, length, device=device).expand(len(part), -1)
                logits = resume(model, model.embed(tokens), keep=keep)
            else:
                logits = model(tokens)[:, -last:]
            rows.update(zip(part, logits.float().clone(), strict=True))
    return torch.stack([rows[i] for i in range(len(ids))])


@checked
def next_token_probabilities(model: Askable, prompts: Sequence[str]) -> Float[Tensor, "prompt d_vocab"]:
    """The probabilities of the token after each prompt."""
    return _next_logits(model, prompts).softmax(-1)


@checked
def likeliest_ids(model: Askable, prompts: Sequence[str]) -> Int[Tensor, " prompt"]:
    """The likeliest token after each prompt."""
    return _next_logits(model, prompts).argmax(-1)


def _next_logits(model: Askable, prompts: Sequence[str]) -> Float[Tensor, "prompt d_vocab"]:
    return logits_after(model, [prompt_ids(model.tokenizer, p) for p in prompts])[:, 0]


@checked
def likeliest(model: Askable, prompt: str, k: Count = 3) -> list[str]:
    """The ``k`` likeliest next tokens with their probabilities, written out for a reader: ``"Tokyo 98%"``."""
    top = next_token_probabilities(model, [prompt])[0].topk(k)
    words = [model.tokenizer.decode([i]).strip() for i in top.indices.tolist()]
    return [f"{word} {share:.0%}" for word, share in zip(words, top.values.tolist(), strict=True)]


@checked
def top1_correct(model: Askable, prompts: Sequence[str], answers: Sequence[str]) -> Float[Tensor, " prompt"]:
    """1 where greedy decoding begins as the right answer does, up to where that parts from the others (`says`), else 0.

    Args:
        answers: as they stand after their prompt, so mostly with a leading space (`answer_ids`).
    """
    targets = _targets(model.tokenizer, prompts, answers)
    return says(model, model.tokenizer, prompts, targets, rivals=targets).float()


@checked
def exact_match(model: Askable, prompts: Sequence[str], answers: Sequence[str]) -> Bool[Tensor, " prompt"]:
    """Whether greedy decoding says the whole answer after each prompt."""
    return says(model, model.tokenizer, prompts, _targets(model.tokenizer, prompts, answers))


def _targets(tokenizer, prompts: Sequence[str], answers: Sequence[str]) -> list[list[int]]:
    if len(prompts) != len(answers):
        raise ValueError(f"{len(prompts)} prompts and {len(answers)} answers; give one answer for each prompt")
    return [answer_ids(tokenizer, prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]


def says(
    model: Askable | Network,
    tokenizer,
    prompts: Sequence[str],
    targets: Sequence[Sequence[int]],
    rivals: Iterable[Sequence[int]] | None = None,
) -> Bool[Tensor, " prompt"]:
    """Whether greedy decoding says each target (token ids) after its prompt.

    It does so exactly if, with the target in place, each of its tokens is the likeliest one.

    Args:
        rivals: the answers that could be meant. A target need then be said only up to where it parts from all others,
            but so far that it says something (the first token may be a lone space), and to its end if it has digits;
            where it is the beginning of another one, that one must not follow.
    """
    known = {tuple(row) for row in rivals or ()}
    begun = Counter(row[:n] for row in known for n in range(1, len(row) + 1))
    groups = defaultdict(list)
    for place, target in enumerate(map(tuple, targets)):
        own, stop = target in known, len(target)
        if rivals is not None and not re.search(r"\d", tokenizer.decode(target)):
            parted = (n for n in range(1, stop) if begun[target[:n]] == own and tokenizer.decode(target[:n]).strip())
            stop = next(parted, stop)
        longer = {row[stop] for row in known if row[:stop] == target and len(row) > stop} if begun[target] > own else ()
        groups[stop + bool(longer)].append((place, target[:stop], longer))
    right = torch.zeros(len(prompts), dtype=torch.bool)
    for length, rows in groups.items():
        ids = [[*prompt_ids(tokenizer, prompts[i]), *target[: length - 1]] for i, target, _ in rows]
        said = logits_after(model, ids, last=length).argmax(-1).tolist()
        for (i, target, longer), row in zip(rows, said, strict=True):
            right[i] = tuple(row[: len(target)]) == target and row[-1] not in longer
    return right


def token_span(tokenizer, prompt: str, part: str | slice) -> slice:
    """The positions of ``part`` in a prompt that begins with BOS; the subject's last token is at ``span.stop - 1``.

    Args:
        part: the characters' places in the prompt; or a text, of which the first place as whole words counts (in its
            own spelling, if there is one).

    Returns:
        The tokens that cover the part; the first and the last may have more characters than it.

    Raises:
        ValueError: if the part isn't in the prompt, or the tokenizer can't say where its tokens are in a text.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(f"{type(tokenizer).__name__} can't say where its tokens are in a text; take a fast tokenizer")
    place = part
    if isinstance(part, str):
        words = rf"(?<!{LETTER}){re.escape(part.strip())}(?!{LETTER})"
        found = re.search(words, prompt) or re.search(words, prompt, re.IGNORECASE)
        place = slice(*found.span()) if found else slice(0, 0)
    spots = _spots(tokenizer, prompt)
    held = [n for n, (start, stop) in enumerate(spots) if start < place.stop and stop > place.start]
    if not held or place.start == place.stop:
        raise ValueError(f"{part!r} isn't in {prompt!r} as whole words")
    first = held[0]
    while first and not prompt[slice(*spots[first - 1])].strip():  # a lone space is the beginning of the word after it
        first -= 1
    return slice(first + 1, held[-1] + 2)


def first_token(model, prompt: str, answer: str) -> int:
    """The id of an answer's first token after a prompt (with a space between them)."""
    return answer_ids(model.tokenizer, prompt, f" {answer}")[0]


def padded(ids: Sequence[Sequence[int]], device=None) -> Int[Tensor, "row pos"]:
    """Rows of ids as one tensor, filled up at the end with id 0."""
    longest = max(map(len, ids))
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids], device=device)
