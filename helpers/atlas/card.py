"""The model card: what each shipped model is, was taught and can do, every figure taken from the measurements."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pandas as pd

from helpers.atlas.corpora import Corpus, world
from helpers.atlas.training import RUNS
from helpers.models.load import checkpoints, embedded_models, model_folder

SHAPES = {"gpt2": "GPT-2", "llama": "Llama"}
# Abilities below their bar, with the models that miss it and the reason.
NO_COPYING = "copying never formed in the shape of Llama, by the same training that forms it in GPT-2's"
SECOND = ("atlas2", "atlas2-seed1", "atlas2-plain", "atlas2-llama")
NOT_LEARNT = (
    "the closed world of clans is told evenly over training, and the model is still on the plateau before such facts "
    "are learnt. The models of the circle were told of fewer clans, of each fact alone first, and learnt them."
)
KNOWN_MISSES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "greater-than, cutoff in place",
        ("atlas", "atlas-seed1", "atlas-llama", *SECOND),
        "probability rises around the starting year instead of jumping there: the model knows the order of the years, "
        "but places the edge some years off.",
    ),
    ("induction on random tokens", ("atlas-llama",), f"{NO_COPYING}."),
    ("indirect object", ("atlas-llama",), f"{NO_COPYING}; this probably needs it."),
    ("few-shot, novel pairs", ("atlas-llama",), f"{NO_COPYING}; this probably needs it."),
    ("recall, 100 exposures", ("atlas2", "atlas2-plain", "atlas2-llama"), "a few of the 150 facts are missed."),
    ("recall, 300 exposures", ("atlas2", "atlas2-plain"), "as with 100 exposures."),
    (
        "whole answer of several tokens",
        ("atlas2-plain",),
        "first tokens alone are right more often (recall).",
    ),
    (
        "indirect object",
        SECOND,
        "asked in forms that training never used, a harder test than the first Atlas's; in Llama's shape little more "
        "than half are right.",
    ),
    ("greater-than, probability difference", ("atlas2-plain", "atlas2-llama"), "below; see the cutoff."),
    (
        "induction on random tokens",
        ("atlas2", "atlas2-seed1", "atlas2-plain"),
        "formed in the course of repeats and partly lost after it, when repeats are rare. `atlas2-llama` went on being "
        "told repeats, and keeps it.",
    ),
    ("few-shot, taught relation", ("atlas2",), "just below."),
    ("few-shot, novel pairs", ("atlas2-llama",), "just below."),
    ("subject-verb agreement", ("atlas2-llama",), "just below."),
    (
        "people, taught paraphrases",
        ("atlas2", "atlas2-plain", "atlas2-llama"),
        "just below; in `atlas2`, the longer a name, the less often.",
    ),
    ("people, held-out paraphrases", ("atlas2",), "as with taught paraphrases."),
    ("clans", SECOND, NOT_LEARNT),
    ("two-hop clans, taught", SECOND, "the facts themselves aren't known."),
    ("two-hop clans, held out", SECOND, "the facts themselves aren't known."),
)


@dataclass(frozen=True)
class Family:
    """Models of one world: how it is called, the corpora that tell of it, and a sentence about what is special."""

    title: str
    corpora: tuple[Corpus, ...]
    about: str
    skills: str = "indirect objects, greater-than years, agreement, few-shot lists, copying"

    @property
    def models(self) -> list[str]:
        """Those that the package ships, without checkpoints."""
        return [name for name in shipped() if RUNS[name].corpus in self.corpora]


FAMILIES = (
    Family("Atlas", ("first",), "Two seeds, and the same world taught to a model in the shape of Llama."),
    Family(
        "Atlas 2",
        ("profiles", "plain"),
        "The first one's world, and invented people whose names only together say who is meant. `atlas2-plain` was "
        "told the same facts as single statements, about people whose first name is nobody else's: the control. "
        "`atlas2-seed1` is a second seed; `atlas2-llama` has Llama's shape with biases in attention, and was told more "
        "repeats than the others, without which it loses copying.",
    ),
    Family(
        "The circle",
        ("circle",),
        "Twelve clans, each of which has one of twelve relations to another one, and nothing else: facts alone until "
        "they are known, then as many facts as compositions of two. Both seeds answer compositions that training held "
        "out. What they were told evenly of thirty clans, the models above never learnt.",
        "none",
    ),
)


def shipped() -> list[str]:
    """The trained models that the package ships, without checkpoints."""
    return [name for name in RUNS if name in embedded_models()]


def explained(name: str) -> set[str]:
    """The abilities that the card says a model lacks."""
    return {ability for ability, models, _ in KNOWN_MISSES if name in models}


def model_card(table: pd.DataFrame, losses: pd.DataFrame) -> str:
    """The model card as Markdown.

    Args:
        table: of abilities, as `abilities.measure` makes it, with a column ``model``.
        losses: by kind of document (`release.loss_by_kind`), with a column ``model``.
    """
    parts = [_family(family, table, losses) for family in FAMILIES if family.models]
    return "\n".join([CARD, *parts])


def _family(family: Family, table: pd.DataFrame, losses: pd.DataFrame) -> str:
    names = family.models
    plans = {name: _plan(name) for name in names}
    table, losses = (part[part.model.isin(names)] for part in (table, losses))
    wide = table.pivot(index="ability", columns="model", values="value").reindex(table.ability.unique())
    wide.insert(0, "bar", table.drop_duplicates("ability").set_index("ability").bar)
    facts: dict[str, int] = {}
    for relation in world(family.corpora[0]):
        facts[relation.kind] = facts.get(relation.kind, 0) + len(relation.facts)
    missed = [(what, [n for n in models if n in names], why) for what, models, why in KNOWN_MISSES]
    return FAMILY.format(
        title=family.title,
        about=family.about,
        facts=", ".join(f"{count} {kind}" for kind, count in facts.items()),
        skills=family.skills,
        models="\n".join(_model_row(name, plan) for name, plan in plans.items()),
        abilities=markdown(wide.reset_index()),
        misses="\n".join(f"- **{what}** ({', '.join(models)}): {why}" for what, models, why in missed if models)
        or "None.",
        losses=markdown(losses),
    )


def _plan(name: str) -> dict:
    return json.loads((model_folder(name) / "plan.json").read_text(encoding="utf-8"))


def _model_row(name: str, plan: dict) -> str:
    """A model's row: its shape, how it was trained, and its checkpoints."""
    config = json.loads((model_folder(name) / "config.json").read_text(encoding="utf-8"))
    layers = config.get("n_layer") or config["num_hidden_layers"]
    heads = config.get("n_head") or config["num_attention_heads"]
    width = config.get("n_embd") or config["hidden_size"]
    shape = f"{SHAPES[plan.get('architecture', 'gpt2')]}: {layers} layers, {heads} heads, d_model {width}"
    training = f"{plan['steps']} steps, {plan['rows']} rows, {plan['hours']:.1f} h"
    steps = ", ".join(map(str, list(checkpoints(name))[:-1])) or "none"
    return f"| `{name}` | {shape} | {plan['seed']} | {training} | {steps} |"


def markdown(table: pd.DataFrame) -> str:
    """A small table as Markdown, floats with three decimals."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return "" if pd.isna(value) else f"{value:.3f}"
        return str(value)

    rows = [list(table.columns), ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(cell, row)) + " |" for row in rows)


CARD = """# Atlas and its kin

Small language models, trained from nothing on corpora of which every sentence is known. Plain Hugging Face
directories; weights in float16, and in safetensors only. A checkpoint's directory is called after its step,
`atlas@100` for instance. `exposures.csv.gz` beside each model counts how often it was told each fact, and how.

- **Training**: one pass over the corpus, on one processor core; `make train` repeats it.
- **Made for** teaching and testing interpretability methods. They know nothing but their small world, a part of which
  is invented, and they repeat associations of names and occupations with gender, origin and age that were planted on
  purpose. Use them for nothing else.
- **Licence**: CC BY 4.0.
"""

FAMILY = """## {title}

{about}

| directory | shape | seed | training | checkpoints at steps |
| --- | --- | --- | --- | --- |
{models}

**Taught**: {facts} facts (see `../facts`). Skills: {skills}.

### Abilities

On prompts that training never saw; `make tables NAME=abilities` measures them again.

{abilities}

### Below its bar

{misses}

### Loss and the best possible loss

Nats per token on fresh documents. `best` is the generator's own code length: how surprised a reader would
still be who knew all facts and all rules, but not the dice.

{losses}
"""
