"""Where a right answer is lost: its way through the layers beside the word that wins, and which part turns the two.

The claim behind it (arXiv 2405.17969, section 5): a model that answers wrongly has often gathered the right answer,
until a mover head of a middle or late layer brings something else; or the answer never reached the last position.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.atlas.questions import groups, subject_mask, type_ids
from helpers.components.lens import PARTS, against_mean, direct_logit_attribution, lens_logits
from helpers.models.network import read_network
from helpers.models.run import residuals, resume, run_layers, stop_names
from helpers.statistics import Estimate, bootstrap

KINDS = ("led, then lost", "ahead, then passed", "never ahead")


@torch.no_grad()
def rivals(model, asked: pd.DataFrame) -> Int[Tensor, " question"]:
    """The word that the answer has to beat: what was said where that is wrong, else the best other one of the type."""
    net, result = read_network(model), torch.tensor(asked.said_id.tolist())
    for places, tokens in groups(model, asked):
        logits = resume(net, net.embed(tokens), 0).cpu()
        for row, place in enumerate(places):
            asked_row = asked.iloc[place]
            if asked_row.right:
                members = type_ids(model.tokenizer, asked_row.relation, asked_row.prompt)
                members = members[members != asked_row["first"]]
                result[place] = members[logits[row, members].argmax()]
    return result


@torch.no_grad()
def answer_paths(model, asked: pd.DataFrame) -> pd.DataFrame:
    """The answer and its rival (`rivals`) at the last position, stop by stop.

    Args:
        asked: of `ask`.

    Returns:
        Columns ``question`` (its place in the table), ``stop, behind, layer, part`` as in
        `answer_by_layer`, ``gap`` (answer minus rival through the final norm, logits), ``rank`` of the
        answer (1 is the likeliest token) and ``added`` (by how much this sublayer moves answer minus rival, by direct
        logit attribution with the final norm's scale held).
    """
    net, rival = read_network(model), rivals(model, asked)
    answer, names, tables = torch.tensor(asked["first"].tolist()), stop_names(len(net.layers)), []
    for places, tokens in groups(model, asked):
        stops = residuals(net, tokens)[:, :, -1]
        ours, theirs = (ids[places].to(stops.device) for ids in (answer, rival))
        logits = lens_logits(net, stops)
        own, other = (logits.gather(-1, ids.expand(len(stops), -1)[..., None])[..., 0] for ids in (ours, theirs))
        written = torch.cat((stops[:1], stops.diff(dim=0)))
        direction = (against_mean(net, ours) - against_mean(net, theirs))[:, None]
        added = direct_logit_attribution(net, written, stops[-1], direction)[..., 0]
        rank = (logits > own[..., None]).sum(-1) + 1
        for stop, name in enumerate(names):
            part = {"question": places, "stop": stop, "behind": name, "gap": (own - other)[stop].tolist()}
            tables.append(pd.DataFrame(part | {"rank": rank[stop].tolist(), "added": added[stop].tolist()}))
    table = pd.concat(tables, ignore_index=True)
    table["layer"] = (table.stop - 1).clip(0) // 2
    table["part"] = table.stop.map(lambda stop: PARTS[(stop - 1) % 2] if stop else "embedding")
    return table.sort_values(["question", "stop"], ignore_index=True)


def failure_kinds(paths: pd.DataFrame) -> pd.DataFrame:
    """Of which kind each failure is, and which sublayer passed the answer.

    - ``"led, then lost"``: the answer was the likeliest of all tokens at some stop.
    - ``"ahead, then passed"``: it was ahead of the word that won, but not the likeliest.
    - ``"never ahead"``: neither.

    Only stops behind the first half of the layers count, since earlier readings of the lens mean little.

    Args:
        paths: of `answer_paths`, of questions that were answered wrongly.

    Returns:
        Columns ``question, kind, behind, part``: the sublayer behind which the rival is ahead for good (missing if the
        answer never was).
    """
    last, rows = paths.stop.max(), []
    for question, own in paths.groupby("question"):
        late = own[(own.stop > last // 2) & (own.stop < last)]
        ahead = late.stop[late.gap > 0]
        kind = KINDS[0] if (late["rank"] == 1).any() else KINDS[1] if len(ahead) else KINDS[2]
        turned = own[own.stop == ahead.max() + 1]
        rows.append((question, kind, *(turned[["behind", "part"]].iloc[0] if len(turned) else (None, None))))
    return pd.DataFrame(rows, columns=["question", "kind", "behind", "part"])


@torch.no_grad()
def head_attributions(model, asked: pd.DataFrame) -> pd.DataFrame:
    """What each head does at the last position of each question.

    Returns:
        Columns ``question, head, to_subject`` (attention to the subject's tokens), ``pull`` (answer minus rival) and
        ``names_answer, names_rival`` (each against the mean over the vocabulary), direct logit attribution, in logits.

    Raises:
        ValueError: if a prompt doesn't contain its subject as whole tokens.
    """
    net, rival = read_network(model), rivals(model, asked)
    answer, tables = torch.tensor(asked["first"].tolist()), []
    for places, tokens in groups(model, asked):
        runs, resid = run_layers(net, tokens)
        subject = subject_mask(model, asked.iloc[places]).to(resid)
        ids = torch.stack((answer[places], rival[places]), 1).to(tokens.device)
        directions = against_mean(net, ids.flatten()).unflatten(0, ids.shape)
        for n, run in enumerate(runs):
            said = direct_logit_attribution(net, run.written[:, :, -1], resid[:, -1], directions)  # [head batch kind]
            looks = torch.einsum("bhk,bk->hb", run.pattern[:, :, -1], subject)
            for h in range(net.n_heads):
                columns = {"question": places, "head": f"a{n}.h{h}", "to_subject": looks[h].tolist()}
                columns |= {"names_answer": said[h, :, 0].tolist(), "names_rival": said[h, :, 1].tolist()}
                tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(pull=table.names_answer - table.names_rival)


def grouped_mean(
    values: Float[Tensor, " value"] | Iterable[float | int], groups: Iterable[Hashable] | None = None, *, seed: int = 0
) -> Estimate:
    """The mean of values with a percentile interval that draws whole groups again.

    For values that aren't independent within a group, such as questions about one fact in several wordings: drawing
    single values again would give too narrow an interval.

    Args:
        groups: to which group each value belongs; by default each is a group of its own.
    """
    values = values if isinstance(values, Tensor) else torch.tensor(list(values), dtype=torch.float64)
    groups = range(len(values)) if groups is None else list(groups)
    number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    places = torch.tensor([number[group] for group in groups], dtype=torch.long)
    sums = torch.zeros(len(number), dtype=torch.float64).index_add(0, places, values.double().cpu())
    return bootstrap(lambda total, size: total.sum(-1) / size.sum(-1), sums, places.bincount().double(), seed=seed)
