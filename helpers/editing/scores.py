"""How good an edit is: does it hold, in other words too, does everything else stay, and does what depends on it follow.

Each question has the answer that is right after the edit and a rival: it counts as *beating* if the right answer is
likelier than the rival, and as *top-1* if it is the likeliest of all tokens (first tokens are compared).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.editing.edit import Edit
from helpers.editing.requests import EditRequest
from helpers.models.network import Network, read_network
from helpers.models.predict import answer_ids, first_token, logits_after, padded, prompt_ids
from helpers.models.run import resume
from helpers.prompts import skills
from helpers.prompts.relations import relation, relations, taught_paraphrases
from helpers.prompts.skills import Draw
from helpers.statistics import with_interval

SCORES = {
    "prompt": "efficacy",
    "taught": "paraphrase",
    "held out": "paraphrase",
    "same relation": "neighbourhood",
    "same subject": "neighbourhood",
    "first hop": "portability",
    "second hop": "portability",
    "reversed": "portability",
    "alias": "portability",
}
CONTINUED = 12  # tokens of a continuation


def evaluate_edit(
    model, edit: Edit, request: EditRequest, *, unrelated: Sequence[str] | None = None, fluency: bool = True
) -> pd.DataFrame:
    """One edit's scores; the model is as it was afterwards.

    Args:
        unrelated: texts on which the model should stay as it is (`unrelated_texts` by default; ``()`` for none).
        fluency: continue the edited statement, too.

    Returns:
        Columns ``score, kind, measure, value``. The scores ``efficacy, paraphrase, neighbourhood, portability`` have
        a row for each question and each of the measures ``beats`` and ``top1`` (0 or 1). ``drift`` is
        ``KL(before || after)`` in nats per token of the unrelated texts; ``fluency`` is how many nats per token more
        the unedited model is surprised by the edited model's continuation of ``<prompt> <new answer>`` than by its
        own (greedy, `CONTINUED` tokens): 0 is as fluent as before.
    """
    questions = [request.question, *request.paraphrases, *request.neighbours, *request.portability]
    ids = [prompt_ids(model.tokenizer, q.prompt) for q in questions]
    targets = [[first_token(model, q.prompt, a) for q in questions for a in (q.answer, q.rival)]]
    right, rival = torch.tensor(targets).view(-1, 2).T
    texts = unrelated_texts() if unrelated is None else unrelated
    rows = [prompt_ids(model.tokenizer, text) for text in texts]
    answer = answer_ids(model.tokenizer, request.text, f" {request.new}")
    start = [*prompt_ids(model.tokenizer, request.text), *answer]
    net = read_network(model)
    before = all_log_probs(net, rows) if rows else None
    own = continuation(net, start) if fluency else []
    with edit:
        net = read_network(model)
        logits = logits_after(net, ids)[:, 0].cpu()
        after = all_log_probs(net, rows) if rows else None
        said = continuation(net, start) if fluency else []
    here = torch.arange(len(questions))
    beats, top = logits[here, right] > logits[here, rival], logits.argmax(-1) == right
    table = [
        (SCORES.get(q.kind, q.kind), q.kind, measure, float(value))
        for q, *values in zip(questions, beats, top, strict=True)
        for measure, value in zip(("beats", "top1"), values, strict=True)
    ]
    if rows:
        table.append(("drift", "unrelated", "nats", (before.exp() * (before - after)).sum(-1).mean().item()))
    if fluency:
        net = read_network(model)
        table.append(("fluency", "continuation", "nats", surprise(net, start, said) - surprise(net, start, own)))
    return pd.DataFrame(table, columns=["score", "kind", "measure", "value"])


def evaluate_edits(
    model,
    requests: Sequence[EditRequest],
    editor: Callable[[EditRequest], Edit],
    *,
    unrelated: Sequence[str] | None = None,
    fluency: bool = True,
) -> pd.DataFrame:
    """Every request edited by itself and judged: the rows of `evaluate_edit` with the edit's number in ``edit``."""
    unrelated = unrelated_texts() if unrelated is None else unrelated
    parts = []
    for number, request in enumerate(requests):
        part = evaluate_edit(model, editor(request), request, unrelated=unrelated, fluency=fluency)
        parts.append(part.assign(edit=number, relation=request.relation))
    return pd.concat(parts, ignore_index=True)


def edit_summary(table: pd.DataFrame, by: Sequence[str] = ("score", "measure")) -> pd.DataFrame:
    """Means over edits with their 95 % bootstrap intervals (an edit's questions are averaged first).

    Returns:
        Columns of ``by``, then ``value, low, high, edits``: the edits that have such questions.
    """
    each = table.groupby([*by, "edit"], sort=False).value.mean()
    rows = []
    for key, values in each.groupby(list(by), sort=False):
        found = with_interval(values.tolist())
        rows.append((*key, *found.row(), len(values)))
    return pd.DataFrame(rows, columns=[*by, "value", "low", "high", "edits"])


def taught_prefixes(relation_names: Sequence[str], n: int = 10, seed: int = 0) -> list[str]:
    """Statements of other facts, as they stand before a statement in Atlas's corpus."""
    rng, result = random.Random(seed), []
    for number in range(n):
        table = relation(relation_names[number % len(relation_names)])
        fact = rng.choice([f for f in table.facts if f.well_taught])
        result.append(f"{table.prompt(fact, rng.choice(taught_paraphrases(table, fact)))} {fact.answer}.")
    return result


def unrelated_texts(n: int = 60, seed: int = 0) -> list[str]:
    """Sentences of Atlas's corpus: half of them statements of facts of all relations, half skills."""
    draw, made = Draw(seed), [skills.indirect_object, skills.greater_than, skills.agreement]
    sentences = [made[i % len(made)](draw, "train").text for i in range(n // 2)]
    return taught_prefixes(sorted(relations("factual", "commonsense", "linguistic")), n - n // 2, seed) + sentences


@torch.no_grad()
def all_log_probs(net: Network, rows: Sequence[Sequence[int]]) -> Float[Tensor, "token d_vocab"]:
    """The log-probabilities behind every token of every row, one below the other."""
    tokens = padded(rows, net.W_E.device)
    keep = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape)
    real = keep < torch.tensor([len(row) for row in rows], device=tokens.device)[:, None]
    return resume(net, net.embed(tokens), keep=keep)[real].log_softmax(-1)


def continuation(net: Network, ids: Sequence[int], count: int = CONTINUED) -> list[int]:
    """The tokens that greedy decoding adds."""
    ids = list(ids)
    for _ in range(count):
        ids.append(int(logits_after(net, [ids])[:, 0][0].argmax()))
    return ids[-count:]


def surprise(net: Network, ids: Sequence[int], then: Sequence[int]) -> float:
    """Nats per token of what follows some tokens."""
    log_probs = all_log_probs(net, [[*ids, *then]])
    return -log_probs[len(ids) - 1 : -1].gather(1, torch.tensor([then], device=log_probs.device).T).mean().item()
