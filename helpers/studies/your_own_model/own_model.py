"""A model of the reader's: opened if it can be had, and asked what it knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import pandas as pd
import torch

from helpers.models.load import embedded_models, load_model
from helpers.models.network import read_network
from helpers.models.predict import logits_after, prompt_ids, says
from helpers.prompts.facts import answer_row
from helpers.prompts.relations import Fact, Relation

FALLBACKS = ("atlas-llama", "atlas")  # the first of them that is embedded stands in


@dataclass(frozen=True)
class Opened:
    """A model, its name, which one was wanted, and why it is another one, if it is."""

    model: object = field(repr=False)
    name: str
    wanted: str
    why: str = ""

    def _repr_html_(self) -> str:
        box = f'<p class="kc-other-model"><b>This page was computed on {escape(self.name)}'
        if not self.why:
            return f"{box}.</b></p>"
        wanted, why = escape(self.wanted), escape(self.why, quote=False)
        return (
            f"{box}, not on {wanted}:</b> {why} With a network, or with a copy on this computer, the same cells run on "
            f"{wanted}. No number here is one of {wanted}'s, unless its line says so.</p>"
        )


def open_model(wanted: str, *, local_only: bool = False, **options) -> Opened:
    """The wanted model, or an embedded one where the hub can't be reached for it.

    Args:
        wanted: a name or a path, as for `load_model`.
        local_only: don't ask the hub.
        **options: of `load_model` (``device``, ``dtype``).

    Raises:
        FileNotFoundError, ValueError: for a local model that is missing, damaged or of the wrong kind: only a network
            that isn't there has a stand-in.
    """
    try:
        return Opened(load_model(wanted, local_only=local_only, **options), wanted, wanted)
    except ConnectionError:
        name = next(name for name in FALLBACKS if name in embedded_models())
        why = "it isn't on the computer that made this page, "
        why += "which doesn't ask the network." if local_only else "and the network can't be reached."
        return Opened(load_model(name, **options), name, wanted, why)


def answer_ranks(model, asked: Relation, facts: Sequence[Fact] | None = None, paraphrase: int = 0) -> pd.DataFrame:
    """How a model, without hooks, answers facts in one wording.

    Returns:
        A row for each fact whose answer begins a token of its own: ``fact, rank`` (tokens likelier than the answer's
        first one; Hit@k is ``rank < k``) and ``whole`` (whether greedy decoding says the answer to its end).
    """
    facts = list(asked.facts if facts is None else facts)
    texts = [asked.prompt(fact, paraphrase) for fact in facts]
    rows = [answer_row(model, text, fact.answer) for text, fact in zip(texts, facts, strict=True)]
    kept, first = [f for f, row in zip(facts, rows, strict=True) if row], [row[0] for row in rows if row]
    if not kept:
        return pd.DataFrame(columns=["fact", "rank", "whole"])
    prompts = [asked.prompt(fact, paraphrase) for fact in kept]
    net = read_network(model)
    logits = logits_after(net, [prompt_ids(model.tokenizer, p) for p in prompts])[:, 0].cpu()
    own = logits.gather(1, torch.tensor(first)[:, None])
    whole = says(net, model.tokenizer, prompts, [row for row in rows if row])
    return pd.DataFrame({"fact": kept, "rank": (logits > own).sum(1).tolist(), "whole": whole.tolist()})
