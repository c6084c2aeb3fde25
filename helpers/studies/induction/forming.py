"""How copying and its heads form: Atlas trained again up to that moment, looked at every ten steps around it.

The same plan on the same machine gives the same weights, so these are steps of the model that the package ships; a
test compares those that it has, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.atlas.training import RUNS, train
from helpers.components.skill_heads import measure_repeats, repeated_tokens
from helpers.models.load import model_folder
from helpers.statistics import with_interval
from helpers.studies.tables import Load, Write, write_parts

RUN = "atlas2"
LOGGED = (200, 600, 800, *range(960, 1300, 10))  # its repeats stand close together in steps 960 to 1,240
FOLDER = Path("runs") / "forming"  # an interrupted training goes on from there


@torch.no_grad()
def copied(model, length: int = 20, count: int = 32, seed: int = 1) -> Float[Tensor, " prompt"]:
    """The share of tokens of each prompt's second half that are on top, in random tokens said twice."""
    tokens = repeated_tokens(model, length, count, seed)
    on_top = model(tokens)[:, length + 1 : -1].argmax(-1) == tokens[:, length + 2 :]
    return on_top.float().mean(1)


def formed_row(model) -> dict[str, object]:
    """What is copied, and the best head's attention to the token before and to the one after the earlier place.

    Attention is counted from uniform attention (0) to all of it (1); ``low`` and ``high`` are what is copied, over
    prompts.
    """
    heads, share = measure_repeats(model), with_interval(copied(model))
    row: dict[str, object] = {"copied": float(share), "low": share.low, "high": share.high}
    for kind, uniform in (("previous", heads.uniform_previous), ("induction", heads.uniform)):
        scores = (heads[kind] - uniform) / (1 - uniform)
        row |= {kind: scores.max(), f"{kind}_head": heads["head"][scores.idxmax()]}
    return row


def rows(load: Load) -> Iterator[pd.DataFrame]:
    """One row for each logged step."""
    plan = replace(RUNS[RUN], checkpoints=LOGGED)
    train(plan, FOLDER, tokenizer_folder=model_folder(RUN), device="cpu", max_steps=LOGGED[-1])
    for step in LOGGED:
        yield pd.DataFrame([{"step": step} | formed_row(load(str(FOLDER / f"step{step}")))])


def write_tables(load: Load, write: Write) -> None:
    """Train to `LOGGED`'s last step (forty minutes of one core), and measure all of them."""
    write_parts(write, "induction_forming", rows(load))
