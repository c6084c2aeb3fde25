"""Ask a model: token ids of prompts and answers, and the logits after each prompt."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable
from unicodedata import category

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.checks import Count, checked
from helpers.models.network import Network
from helpers.models.run import resume, run_past

LETTER = "[0-9A-Za-z\u00b5-\u058f]"  # of the scripts that put spaces between words
UNSPACED = re.compile("[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
AT_ONCE = 2**26  # numbers in one tensor: a quarter of a gigabyte
SPREAD = 2  # by how many tokens rows of one batch may differ on a network


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

    BOS is the tokenizer's own, or what `helpers.load_model` was told that texts begin with. (A bridge's ``to_tokens``
    gives the same ids, but puts BOS before a text that has it already.)

    Raises:
        ValueError: for what isn't a text, or a tokenizer that has no BOS.
    """
    ids, begin = _ids(tokenizer, prompt), tokenizer.bos_token_id
    if begin is None:
        raise ValueError("the tokenizer has no token that begins a text; load_model chooses one (begins_with)")
    return list(ids) if ids[:1] == (begin,) else [begin, *ids]


def answer_ids(tokenizer, prompt: str, answer: str) -> list[int]:
    """The ids of ``answer`` as it stands after ``prompt``.

    The answer is encoded in its place, because some tokenizers give a text a leading space (Atlas's, Llama's), and an
    answer alone would then be other tokens. Between two words stands a space, and it is the answer's: Atlas's and
    GPT-2's tokens begin with it, and a prompt that ends in it has other tokens (Llama's, too) than any text the model
    has read. Without one, only digits go on with digits ("17", "32"), scripts that have no spaces with anything, and
    anything after a mark (``="``).

    Raises:
        ValueError: if prompt and answer merge into one token, so that there is no place between them, a space stands
            at the prompt's end instead of before the answer, or is missing between two words; or for an empty answer.
    """
    before, both = _ids(tokenizer, prompt), _ids(tokenizer, prompt, answer)
    if not answer.strip():
        raise ValueError(f"an answer is a text that says something, not {answer!r}")
    if prompt[-1:].isspace() or not _go_on(prompt[-1:], answer[0]):
        raise ValueError(f"{prompt!r}, {answer!r}: the space between them has to be the answer's, at its beginning")
    if both[: len(before)] != before or len(both) == len(before):
        raise ValueError(f"{answer!r} doesn't begin a new token after {prompt!r}; does it lack its leading space?")
    return list(both[len(before) :])


def _go_on(end: str, begin: str) -> bool:
    """Whether a text may go on from one character to the next without a space that would part two words."""
    if UNSPACED.search(end + begin) or (end.isdecimal() and begin.isdecimal()):
        return True
    return not all(each and (each.isalnum() or category(each)[0] == "M") for each in (end, begin))


@checked
@torch.no_grad()
def logits_after(
    model: Askable | Network, ids: Sequence, last: Count = 1, batch: Count | None = None
) -> Float[Tensor, "prompt last d_vocab"]:
    """The logits at the ``last`` positions of each row of ids, computed in batches (of equal length on a bridge).

    Args:
        model: a bridge, whatever else is `Askable`, or a `Network`, which takes half the time and knows no hooks.
        ids: rows of token ids ``[prompt][pos]``.
        batch: rows at a time; by default as many as fit.

    Raises:
        ValueError: for no rows, rows that are too short or longer than the model reads, ids that aren't the model's,
            or a bridge in training mode.
    """
    cfg = getattr(model, "cfg", None)  # a bridge keeps an input for each head at each position, which adds up
    most = 256 if cfg is None else min(256, max(1, 2**21 // (cfg.n_heads * cfg.d_model)))
    if cfg is not None and getattr(model, "training", False):
        raise ValueError("the model is in training mode, where dropout makes runs differ; call model.eval() first")
    n_ctx, heads = cfg and cfg.n_ctx or getattr(model, "n_ctx", None), getattr(cfg or model, "n_heads", 1)
    rows, lengths = {}, [len(row) for row in ids]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    if not order:
        raise ValueError("no prompts given")
    if n_ctx and max(lengths) > n_ctx:
        raise ValueError(f"a prompt has {max(lengths)} tokens; this model reads {n_ctx}, so shorten it")
    if min(lengths) < last:
        raise ValueError(f"a prompt has {min(lengths)} tokens; the logits at its last {last} are asked for")
    weights = getattr(model, "W_E", None)
    device, words = (None, 1) if weights is None else (weights.device, len(weights))
    while order:
        shortest = lengths[order[0]]
        near = [i for i in order if lengths[i] <= shortest + (SPREAD if isinstance(model, Network) else 0)]
        length = lengths[near[-1]]
        kept = last if isinstance(model, Network) else length
        part = near[: batch or min(most, max(1, AT_ONCE // max(words * kept, heads * length**2)))]
        tokens = _tokens([ids[i] for i in part], None if weights is None else words).to(device)
        logits = (
            _last_logits(model, tokens, [lengths[i] for i in part], last)
            if isinstance(model, Network)
            else model(tokens)[:, -last:]
        )
        rows.update(zip(part, logits.float().clone(), strict=True))
        order = order[len(part) :]
    return torch.stack([rows[i] for i in range(len(lengths))])


def _last_logits(
    net: Network, tokens: Int[Tensor, "row pos"], lengths: Sequence[int], last: int
) -> Float[Tensor, "row last d_vocab"]:
    """The logits at each row's last positions; what all rows begin with is computed once."""
    alike = (tokens == tokens[:1]).all(0)[: min(lengths) - last]
    start = int(alike.int().cumprod(0).sum())
    ends = torch.tensor(lengths, device=tokens.device)[:, None] - start
    keep = ends + torch.arange(-last, 0, device=tokens.device)
    return resume(net, net.embed(tokens, start), past=run_past(net, tokens[:, :start]), keep=keep)


def _tokens(rows: list, d_vocab: int | None) -> Int[Tensor, "row pos"]:
    """Rows as one tensor, checked; shorter ones are filled up at the end, where nothing looks back at."""
    longest = max(map(len, rows))
    try:
        tokens = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    except (TypeError, ValueError, RuntimeError, OverflowError):
        tokens = torch.empty(0)
    if tokens.dtype != torch.int64 or tokens.min() < 0 or d_vocab and tokens.max() >= d_vocab:
        most = f"0 to {d_vocab - 1}" if d_vocab else "0 and up"
        raise ValueError(f"ids have to be whole numbers, {most} for this model; these are texts or another model's")
    return tokens


@checked
def next_token_probabilities(model: Askable, prompts: Sequence[str]) -> Float[Tensor, "prompt d_vocab"]:
    """The probabilities of the token after each prompt."""
    return logits_after(model, [prompt_ids(model.tokenizer, p) for p in prompts])[:, 0].softmax(-1)


@checked
def likeliest(model: Askable, prompt: str, k: Count = 3) -> list[str]:
    """The ``k`` likeliest next tokens with their probabilities, written out for a reader: ``"Tokyo 98%"``."""
    shares = next_token_probabilities(model, [prompt])[0]
    top = shares.topk(min(k, len(shares)))
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
    if asked := [row for rows in groups.values() for row in rows]:  # most wrong answers show at their first token
        first = logits_after(model, [prompt_ids(tokenizer, prompts[i]) for i, *_ in asked])[:, 0].argmax(-1).tolist()
        for (i, target, _), said in zip(asked, first, strict=True):
            right[i] = said == target[0]
    for length, rows in groups.items():
        rows = [row for row in rows if right[row[0]] and length > 1]
        ids = [[*prompt_ids(tokenizer, prompts[i]), *target[: length - 1]] for i, target, _ in rows]
        said = logits_after(model, ids, last=length).argmax(-1).tolist() if ids else []
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
