"""The texts in which an editor looks at a fact: the prompt alone, behind other text, and in other words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.editing.requests import EditRequest, fill
from helpers.models.network import Network
from helpers.models.predict import answer_ids, prompt_ids, token_span
from helpers.models.run import SuffixRun, cut_run, padded

At = Literal["subject_last", "last"]
IGNORED = -100


@dataclass(frozen=True)
class Context:
    """One text that asks for the fact: its ids, the position that is edited, and the ids of the answer behind it."""

    ids: tuple[int, ...]
    at: int
    answer: tuple[int, ...]
    prefixed: bool


@dataclass(frozen=True)
class Batch:
    """Contexts as tensors, filled up at the end. ``answers`` has `IGNORED` where a row has no (more) answer."""

    tokens: Int[Tensor, "row pos"]
    at: Int[Tensor, " row"]
    keep: Int[Tensor, "row kept"]
    answers: Int[Tensor, "row kept"]

    def cut(self, net: Network, layer: int) -> SuffixRun:
        """The rows, run up to the MLP of a layer."""
        return cut_run(net, self.tokens, layer, int(self.at.min()))

    def keys(self, cut: SuffixRun) -> Float[Tensor, "row d_mlp"]:
        """The neurons at the edited positions."""
        return cut.neurons[torch.arange(len(self.at)), self.at - cut.start]


def contexts(
    tokenizer, request: EditRequest, prefixes: Sequence[str] = (), wordings: int = 0, at: At = "subject_last"
) -> list[Context]:
    """The prompt and the first ``wordings`` other wordings, each alone and behind each prefix.

    Raises:
        ValueError: for an unknown position, or more wordings than the request has.
    """
    if at not in get_args(At):
        raise ValueError(f"unknown position {at!r}; choose from {', '.join(get_args(At))}")
    if not 0 <= wordings <= len(request.wordings):
        raise ValueError(f"the request has {len(request.wordings)} more wordings, not {wordings}")
    result = []
    for template in (request.prompt, *request.wordings[:wordings]):
        text = fill(template, request.subject)
        result += [_context(tokenizer, prefix, text, request, at) for prefix in ("", *prefixes)]
    return result


def essence(tokenizer, request: EditRequest, at: At = "subject_last", template: str = "{} is a") -> Context:
    """A text about the subject that should go on as before; it has no answer."""
    text = fill(template, request.subject)
    ids = prompt_ids(tokenizer, text)
    end = token_span(tokenizer, text, request.subject).stop - 1
    return Context(tuple(ids), end if at == "subject_last" else len(ids) - 1, (), False)


def _context(tokenizer, prefix: str, text: str, request: EditRequest, at: At) -> Context:
    alone = prompt_ids(tokenizer, text)
    whole = f"{prefix} {text}" if prefix else text
    ids = prompt_ids(tokenizer, whole) if prefix else alone
    answer = answer_ids(tokenizer, whole, f" {request.new}")
    if at == "last":
        place = len(ids) - 1
    elif ids[1 - len(alone) :] == alone[1:]:  # the same tokens behind the prefix: count from the end
        place = len(ids) - len(alone) + token_span(tokenizer, text, request.subject).stop - 1
    else:
        place = _last_span(tokenizer, ids, request.subject)
    return Context(tuple(ids), place, tuple(answer), bool(prefix))


def _last_span(tokenizer, ids: Sequence[int], subject: str) -> int:
    for start in reversed(range(1, len(ids))):
        for stop in range(start + 1, len(ids) + 1):
            if tokenizer.decode(ids[start:stop]).strip().lower() == subject.lower():
                return stop - 1
    raise ValueError(f"{subject!r} isn't a run of whole tokens in {tokenizer.decode(ids)!r}")


def batches(rows: Sequence[Context], device=None) -> list[Batch]:
    """The rows in at most two batches, without and with a prefix, whose edited positions are near each other."""
    parts = [[row for row in rows if row.prefixed == wanted] for wanted in (False, True)]
    return [make_batch(part, device) for part in parts if part]


def make_batch(rows: Sequence[Context], device=None) -> Batch:
    """Rows of any length as one batch; each is followed by its answer but for the answer's last token."""
    kept = max(1, max(len(row.answer) for row in rows))
    keep = [[min(len(r.ids) - 1 + i, len(r.ids) + max(len(r.answer), 1) - 2) for i in range(kept)] for r in rows]
    answers = [[*row.answer, *[IGNORED] * (kept - len(row.answer))] for row in rows]
    tokens = padded([[*row.ids, *row.answer[:-1]] for row in rows], device)
    at = torch.tensor([row.at for row in rows], device=device)
    return Batch(tokens, at, torch.tensor(keep, device=device), torch.tensor(answers, device=device))


@torch.no_grad()
def sample_text(model, n: int, length: int, seed: int = 0) -> list[list[int]]:
    """Texts that the model itself makes up, drawn token by token: ``n`` rows of BOS and ``length`` more ids."""
    bos, device = model.tokenizer.bos_token_id, model.W_E.device
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.full((n, 1), bos)
    for _ in range(length):
        logits = model(tokens.to(device))[:, -1].float().cpu()
        logits[:, bos] = -torch.inf
        tokens = torch.cat((tokens, torch.multinomial(logits.softmax(-1), 1, generator=generator)), 1)
    return tokens.tolist()


def sample_prefixes(model, n: int = 10, length: int = 10, seed: int = 0) -> list[str]:
    """Beginnings that the model itself makes up (`sample_text`), each with a full stop."""
    return [model.tokenizer.decode(row[1:]).strip().rstrip(".") + "." for row in sample_text(model, n, length, seed)]


def taught_prefixes(relation_names: Sequence[str], n: int = 10, seed: int = 0) -> list[str]:
    """Statements of other facts, as they stand before a statement in Atlas's corpus."""
    from helpers.prompts.relations import relation, taught_paraphrases

    rng, result = random.Random(seed), []
    for number in range(n):
        table = relation(relation_names[number % len(relation_names)])
        fact = rng.choice([f for f in table.facts if f.well_taught])
        result.append(f"{table.prompt(fact, rng.choice(taught_paraphrases(table, fact)))} {fact.answer}.")
    return result
