"""Can a wrong answer be foreseen? Signs that a prompt shows before anybody knows the answer, and how well they tell.

No sign here knows the right answer. Some look at the logits only; those of the circuit ask how much of the edges that
recall known facts is at work on this prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from helpers.atlas.questions import type_ids
from helpers.circuits.ablation import run_circuit, scenes
from helpers.circuits.circuit import Circuit
from helpers.circuits.gradients import reader_gradients
from helpers.models.network import Network
from helpers.models.predict import prompt_ids
from helpers.prompts.pairs import PromptPairs

QUANTILE = 0.1  # an edge is at work where its contribution is above this quantile of known facts
CIRCUIT_SIGNS = ("circuit lead", "edges at work", "like known facts")


def sign_pairs(model, asked: pd.DataFrame) -> PromptPairs:
    """Each question beside another of its relation, wording and length, whose prompt is the corrupt one.

    The answer is what the model says, right or wrong: a sign may not know more.

    Raises:
        ValueError: if a question has no partner; the message shows it.
    """
    ids = [tuple(prompt_ids(model.tokenizer, prompt)) for prompt in asked.prompt]
    keys = pd.Series(list(zip(map(len, ids), asked.relation, asked.wording, strict=True)))
    partner: dict[int, int] = {}
    for _, places in keys.groupby(keys).groups.items():
        if len(places) < 2:
            raise ValueError(f"no other question is like {asked.prompt.iloc[places[0]]!r}; ask more of its relation")
        partner |= dict(zip(places, [*places[1:], places[0]], strict=True))
    other, said = [partner[i] for i in range(len(ids))], asked.said_id.tolist()
    return PromptPairs.from_tokens(model, ids, [ids[i] for i in other], said, [said[i] for i in other], alike=True)


def edge_contributions(
    model, circuit: Circuit, pairs: PromptPairs, types: Sequence[int]
) -> Float[Tensor, "batch edge"]:
    """What each edge of a circuit contributes on each prompt, by attribution patching (arXiv 2310.10348).

    The metric is the logit of what the model says minus the mean logit of the type.

    Returns:
        A column for each edge, in the order of ``circuit.mask.nonzero()``; in logits, positive where it helps what is
        said.
    """
    graph, members = circuit.graph, torch.tensor(list(types), device=pairs.answer_ids.device)
    readers, sources = circuit.mask.nonzero().T
    result = torch.zeros(len(pairs), len(readers))
    for places, scene in scenes(model, pairs, "corrupt"):
        clean, _ = scene.clean
        written, said = (clean - scene.ablated).expand(scene.net), scene.pairs.answer_ids

        def lead(last: Tensor, net: Network = scene.net, said: Tensor = said) -> Tensor:
            logits = net.unembed(last)
            return logits.gather(-1, said[:, None])[:, 0] - logits[:, members].mean(-1)

        for sublayer, gradients in reader_gradients(scene.net, clean.embed, lead, scene.past):
            rows = graph.reader_rows(sublayer)
            for edge in ((readers >= rows.start) & (readers < rows.stop)).nonzero().flatten().tolist():
                own = gradients[readers[edge] - rows.start] * written[sources[edge]]
                result[places, edge] = own.sum((-1, -2)).cpu()
    return result


def error_predictors(model, asked: pd.DataFrame, circuit: Circuit, known: Bool[Tensor, " question"]) -> pd.DataFrame:
    """What the circuit's edges do (`CIRCUIT_SIGNS`) in questions of one relation.

    - ``circuit lead``: the best answer's logit before the type's mean when the circuit runs alone.
    - ``edges at work``: the share of its edges that contribute as they do in most known facts (`QUANTILE`).
    - ``like known facts``: the cosine between its contributions and their mean over known facts.

    Args:
        asked: of `ask`.
        circuit: found on known facts.
        known: which questions count as known facts, for the last two signs; all of them from the train half.

    Raises:
        ValueError: for questions about several relations; if none is known, or one of the test half is.
    """
    if asked.relation.nunique() != 1:
        raise ValueError(f"ask about one relation, not {asked.relation.nunique()}: their answers differ in type")
    if not known.any() or (asked.half[known.numpy()] != "train").any():
        raise ValueError("known has to mark questions of the train half, at least one: the test half is for judging")
    pairs = sign_pairs(model, asked)
    types = type_ids(model.tokenizer, asked.relation.iloc[0], asked.prompt.iloc[0]).tolist()
    alone = run_circuit(model, circuit, pairs)[:, types]
    work = edge_contributions(model, circuit, pairs, types)
    enough = work[known].quantile(QUANTILE, dim=0)
    signs = {
        "circuit lead": (alone.max(-1).values - alone.mean(-1)).cpu(),
        "edges at work": (work >= enough).float().mean(-1),
        "like known facts": torch.cosine_similarity(work, work[known].mean(0, keepdim=True)),
    }
    return asked.assign(**{name: values.tolist() for name, values in signs.items()})
