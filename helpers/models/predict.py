"""Ask a model: token ids of prompts and answers, and the logits after each prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.models.network import Network
from helpers.models.run import resume

BATCH = 64
Forward = Callable[[Tensor], Tensor]  # tokens [batch pos] -> logits [batch pos d_vocab]


def prompts_at_once(model) -> int:
    """How many prompts a bridge reads at a time: it keeps an input for each head at each position, which adds up."""
    return min(256, max(1, 2**21 // (model.cfg.n_heads * model.cfg.d_model)))


def prompt_ids(tokenizer, prompt: str) -> list[int]:
    """The ids of a prompt, beginning with BOS once, whether or not the tokenizer adds it by itself."""
    return [tokenizer.bos_token_id, *tokenizer.encode(prompt, add_special_tokens=False)]


def answer_ids(tokenizer, prompt: str, answer: str) -> list[int]:
    """The ids of ``answer`` as it stands after ``prompt``.

    The answer is encoded in its place, because some tokenizers give a text a leading space (Atlas's, Llama's), and an
    answer alone would then be other tokens.

    Raises:
        ValueError: if prompt and answer merge into one token, so that there is no place between them.
    """
    before = tokenizer.encode(prompt, add_special_tokens=False)
    both = tokenizer.encode(prompt + answer, add_special_tokens=False)
    if both[: len(before)] != before or len(both) == len(before):
        raise ValueError(f"{answer!r} doesn't begin a new token after {prompt!r}; does it lack its leading space?")
    return both[len(before) :]


@torch.no_grad()
def logits_after(
    forward: Forward, ids: Sequence[Sequence[int]], last: int = 1, batch: int = 256
) -> list[Float[Tensor, "last d_vocab"]]:
    """The logits at the ``last`` positions of each id list, computed in batches of equal length (no padding).

    Tokens are given to a model on its own device, and to any other function on the processor.
    """
    groups = defaultdict(list)
    for i, sequence in enumerate(ids):
        groups[len(sequence)].append(i)
    result: list = [None] * len(ids)
    device = next(forward.parameters()).device if isinstance(forward, torch.nn.Module) else None
    for members in groups.values():
        for start in range(0, len(members), batch):
            part = members[start : start + batch]
            logits = forward(torch.tensor([ids[i] for i in part], device=device))[:, -last:]
            for i, row in zip(part, logits, strict=True):
                result[i] = row.float().clone()
    return result


def next_token_probabilities(forward: Forward, tokenizer, prompts: Sequence[str]) -> Float[Tensor, "prompt d_vocab"]:
    """The probabilities of the token after each prompt."""
    logits = logits_after(forward, [prompt_ids(tokenizer, p) for p in prompts])
    return torch.cat(logits).softmax(-1)


def likeliest(forward: Forward, tokenizer, prompt: str, k: int = 3) -> list[str]:
    """The ``k`` likeliest next tokens with their probabilities, written out for a reader: ``"Tokyo 98%"``."""
    top = next_token_probabilities(forward, tokenizer, [prompt])[0].topk(k)
    return [f"{tokenizer.decode([i]).strip()} {share:.0%}" for share, i in zip(*map(Tensor.tolist, top), strict=True)]


def top1_correct(
    forward: Forward, tokenizer, prompts: Sequence[str], answers: Sequence[str]
) -> Float[Tensor, " prompt"]:
    """1 where the likeliest token after a prompt is the first one of its answer, else 0."""
    ids = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    first = [answer_ids(tokenizer, prompt, answer)[0] for prompt, answer in zip(prompts, answers, strict=True)]
    said = torch.cat(logits_after(forward, ids)).argmax(-1)
    return (said == torch.tensor(first, device=said.device)).float()


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


def exact_match(forward: Forward, tokenizer, prompts: Sequence[str], answers: Sequence[str]) -> Tensor:
    """Whether greedy decoding says the whole answer after each prompt (a bool for each).

    Greedy decoding gives the answer exactly if, with the answer in place, each of its tokens is the likeliest one.
    """
    targets = [answer_ids(tokenizer, p, a) for p, a in zip(prompts, answers, strict=True)]
    by_length = defaultdict(list)
    for i, target in enumerate(targets):
        by_length[len(target)].append(i)
    right = torch.zeros(len(prompts), dtype=torch.bool)
    for length, members in by_length.items():
        full = [prompt_ids(tokenizer, prompts[i]) + targets[i][:-1] for i in members]
        for i, logits in zip(members, logits_after(forward, full, last=length), strict=True):
            right[i] = logits.argmax(-1).tolist() == targets[i]
    return right


def first_token(model, prompt: str, answer: str) -> int:
    """The id of an answer's first token behind a prompt."""
    return answer_ids(model.tokenizer, prompt, f" {answer}")[0]


@torch.no_grad()
def last_logits(net: Network, ids: Sequence[Sequence[int]], batch: int = BATCH) -> Float[Tensor, "row d_vocab"]:
    """The logits behind each row of ids, in batches of similar length."""
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    result: list = [None] * len(ids)
    for first in range(0, len(order), batch):
        part = order[first : first + batch]
        tokens = padded([ids[i] for i in part], net.W_E.device)
        keep = torch.tensor([[len(ids[i]) - 1] for i in part], device=tokens.device)
        for i, row in zip(part, resume(net, net.embed(tokens), keep=keep)[:, 0], strict=True):
            result[i] = row
    return torch.stack(result)


def padded(ids: Sequence[Sequence[int]], device=None) -> Int[Tensor, "row pos"]:
    """Rows of ids as one tensor, filled up at the end with id 0."""
    longest = max(map(len, ids))
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids], device=device)
