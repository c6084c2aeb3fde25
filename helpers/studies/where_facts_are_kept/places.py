"""Where an answer is on its way, by how many words the subject's name has: patching, and the heads that fetch it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.atlas.card import shipped
from helpers.atlas.corpora import PEOPLE, Corpus, world
from helpers.atlas.training import RUNS
from helpers.circuits.metrics import logit_diff
from helpers.components.lens import direct_logit_attribution
from helpers.models.network import Network, read_network
from helpers.models.run import forward, resume
from helpers.prompts.facts import TooFewPairs, relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Relation
from helpers.studies.patching_maps import map_rows
from helpers.studies.tables import Load, Write, write_parts

NAMES = ("one word", "2 words", "3 words", "4 words")  # groups of people
PAIRS, TEMPLATE = 12, 0


def told_models(load: Load) -> Iterator[tuple[str, object, Corpus]]:
    """The second Atlas's models that the package ships: name, model, and how people were told of."""
    for name in shipped():
        if (told := RUNS[name].corpus) in PEOPLE:
            yield name, load(name), told


def by_name(told: Corpus) -> Iterator[tuple[str, Relation]]:
    """The relations of people, each cut by how many words the names have."""
    for table in world(told):
        if table.kind == "people":
            for group in NAMES:
                yield group, replace(table, facts=tuple(f for f in table.facts if f.group == group))


@torch.no_grad()
def fetched(
    net: Network, tokens: Int[Tensor, "batch pos"], at: Int[Tensor, " batch"], direction: Float[Tensor, "batch d_model"]
) -> Float[Tensor, "layer batch"]:
    """What each layer's heads bring from one position to the last one, along a direction of the unembedding, in logits.

    Direct logit attribution: the value that is read there, times the attention to it, through the head's output
    matrix, with the final norm's scale held.
    """
    written, rows = [], torch.arange(len(tokens))
    for step in forward(net, net.embed(tokens)):
        if not step.is_mlp:
            read = step.values[rows, at] * step.pattern[rows, :, -1, at][..., None]
            written.append(torch.einsum("bhd,hdm->bm", read, step.layer.W_O))
    return direct_logit_attribution(net, torch.stack(written), step.after[:, -1], direction[:, None])[..., 0]


def fetched_rows(model, pairs: PromptPairs) -> pd.DataFrame:
    """By layer: the share of the logit difference that its heads bring from the subject's last token to the end.

    Clean against corrupt, ratio of means over the pairs: columns ``layer, share, facts``.
    """
    net, brought, whole = read_network(model), 0, 0
    for _, group in pairs.groups():
        at = torch.tensor([subject.stop - 1 for subject in group.subjects])
        direction = (net.W_U[:, group.answer_ids] - net.W_U[:, group.wrong_ids]).T
        sides = group.clean_tokens, group.corrupt_tokens
        clean, corrupt = (fetched(net, tokens, at, direction) for tokens in sides)
        ends = [logit_diff(resume(net, net.embed(tokens)), group) for tokens in sides]
        brought, whole = brought + (clean - corrupt).sum(-1), whole + float((ends[0] - ends[1]).sum())
    return pd.DataFrame({"share": (brought / whole).tolist(), "facts": len(pairs)}).rename_axis("layer").reset_index()


def place_rows(model, told: Corpus) -> Iterator[pd.DataFrame]:
    """Both measurements of a model on the facts about people that it knows; groups of too few are left out."""
    for group, table in by_name(told):
        about = {"relation": table.name, "name": group}
        try:
            pairs = relation_pairs(model, table, PAIRS, paraphrase=TEMPLATE)
        except TooFewPairs:
            continue
        yield map_rows(model, pairs, window=1).assign(**about)
        yield fetched_rows(model, pairs).assign(part="heads", role="subject last", **about)


def write_tables(load: Load, write: Write) -> None:
    """Measure all models of the second Atlas."""
    parts = (part.assign(model=name) for name, model, told in told_models(load) for part in place_rows(model, told))
    write_parts(write, "fact_places", parts)
