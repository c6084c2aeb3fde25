"""From finished training runs to what the package ships: weights, exposure tables, checksums and the model card."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from functools import cache
from pathlib import Path

import pandas as pd
import torch

from helpers.atlas.abilities import TEST_SEED, Subject, measure
from helpers.atlas.corpora import documents, world
from helpers.atlas.corpus import EXPOSURES_FILE, Document, exposure_table
from helpers.atlas.tokenizer import BOS, VOCABULARY_SIZE
from helpers.atlas.training import IGNORED, RUNS, encode, pack, row_losses
from helpers.files import write_whole
from helpers.models.load import CHECKSUMS, WEIGHTS, checkpoints, embedded_models, model_folder
from helpers.prompts.relations import KINDS, relations

MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
ABILITIES_FILE = "abilities.csv"
LOSS_FILE = "loss_by_kind.csv"
PER_KIND = 300  # fresh documents of each kind on which losses are measured
EXAMINED = ("atlas", "atlas-seed1", "atlas-llama")  # the trained models whose abilities the card states
# Abilities below their bar, with the models that miss it and the reason, for the model card.
NO_COPYING = "copying never formed in the shape of Llama, by the same training that forms it in GPT-2's"
KNOWN_MISSES = {
    "greater-than, cutoff in place": (
        EXAMINED,
        "probability rises around the starting year instead of jumping there: the model knows the order of the years, "
        "but places the edge some years off.",
    ),
    "induction on random tokens": (("atlas-llama",), f"{NO_COPYING}."),
    "indirect object": (("atlas-llama",), f"{NO_COPYING}; this probably needs it."),
    "few-shot, novel pairs": (("atlas-llama",), f"{NO_COPYING}; this probably needs it."),
}


def release(run: Path, name: str, weights: Path = WEIGHTS) -> None:
    """Copy a finished run of `training.train` to the package as the embedded model ``name``, with its checkpoints."""
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    losses = pd.read_csv(run / "loss.csv", names=["step", "loss", "seconds"]).drop_duplicates("step", keep="last")
    plan["hours"] = round(losses.seconds.sum() / 3600, 2)
    for old in [weights / name, *weights.glob(f"{name}@*")]:
        shutil.rmtree(old, ignore_errors=True)
    copy_files(run / "final", weights / name, MODEL_FILES)
    for folder in sorted(run.glob("step*")):
        copy_files(folder, weights / f"{name}@{folder.name.removeprefix('step')}", MODEL_FILES[:2])
    write_whole(weights / name / "plan.json", json.dumps(plan, indent=2) + "\n")
    told = plan.get("corpus", "first")
    table = exposure_table(documents(told, plan["seed"], range(257, VOCABULARY_SIZE)), world(told))
    packed = gzip.compress(table.to_csv(index=False, lineterminator="\n").encode(), mtime=0)
    write_whole(weights / name / EXPOSURES_FILE, packed)
    write_checksums(weights)


def copy_files(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Copy the named files into a new folder."""
    target.mkdir(parents=True)
    for name in names:
        shutil.copyfile(source / name, target / name)


def write_checksums(weights: Path) -> None:
    """Write the SHA-256 of every shipped file that a model is loaded from."""
    files = sorted(p for p in weights.rglob("*") if p.name in (*MODEL_FILES, "plan.json", EXPOSURES_FILE))
    sums = {p.relative_to(weights).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    write_whole(weights / CHECKSUMS, json.dumps(sums, indent=2) + "\n")


def plain_model(folder: Path):
    """A model and its tokenizer as plain Hugging Face objects, for measurements that need no hooks."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval().requires_grad_(False), AutoTokenizer.from_pretrained(folder)


def examinee(folder: Path) -> Subject:
    """The model in ``folder`` as the subject of ability tests."""
    model, tokenizer = plain_model(folder)
    return Subject(lambda tokens: model(input_ids=tokens).logits, tokenizer)


@cache
def fresh_documents() -> dict[str, list[Document]]:
    """Documents that training never saw, `PER_KIND` of each kind."""
    kinds: dict[str, list[Document]] = {}
    for document in documents("first", TEST_SEED, range(257, VOCABULARY_SIZE)):
        part = kinds.setdefault(document.kind, [])
        if len(part) < PER_KIND:
            part.append(document)
    return kinds


def loss_by_kind(folder: Path) -> pd.DataFrame:
    """The model's loss on fresh documents beside the best possible one, in nats per token, for each kind of document.

    ``best`` is what the generator's own choices cost: its code length divided by the tokens (see `skills.Draw`).
    """
    model, tokenizer = plain_model(folder)
    rows = []
    bos = tokenizer.convert_tokens_to_ids(BOS)
    for kind, part in fresh_documents().items():
        packed = pack(encode(part, tokenizer.backend_tokenizer), model.config.max_position_embeddings, bos)
        with torch.no_grad():
            losses = [row_losses(model, packed, slice(i, i + 32)).sum() for i in range(0, len(packed.tokens), 32)]
        tokens = int((packed.targets != IGNORED).sum())
        rows.append((kind, len(part), tokens, sum(map(float, losses)) / tokens, sum(d.nats for d in part) / tokens))
    return pd.DataFrame(rows, columns=["kind", "documents", "tokens", "loss", "best"])


def write_tables(_load: object, _write: object) -> None:
    """Measure all abilities of the trained models; write the tables and the model card.

    Raises:
        SystemExit: at a miss that the model card leaves out.
    """
    folders = {name: model_folder(name) for name in EXAMINED}
    measured = [measure(examinee(path)).assign(model=name, weights=digest(name)) for name, path in folders.items()]
    table = pd.concat(measured, ignore_index=True)
    losses = pd.concat([loss_by_kind(path).assign(model=n) for n, path in folders.items()], ignore_index=True)
    for file, numbers in ((ABILITIES_FILE, table.round(5)), (LOSS_FILE, losses.round(4))):
        write_whole(WEIGHTS / file, numbers.to_csv(index=False, lineterminator="\n"))
    card = model_card(*(pd.read_csv(WEIGHTS / file) for file in (ABILITIES_FILE, LOSS_FILE)))
    write_whole(WEIGHTS / "README.md", card)
    missed = [row for row in table[~table.met].itertuples() if row.ability not in explained(row.model)]
    if missed:
        raise SystemExit("Missed: " + ", ".join(f"{row.ability} ({row.model})" for row in missed))


def digest(name: str) -> str:
    """The first digits of a model's checksum: which weights a measurement belongs to."""
    return json.loads((WEIGHTS / CHECKSUMS).read_text(encoding="utf-8"))[f"{name}/model.safetensors"][:12]


def model_card(table: pd.DataFrame, losses: pd.DataFrame) -> str:
    """The model card as Markdown, with every figure taken from the measurements."""
    plans = {name: _plan(name) for name in EXAMINED}
    model, _ = plain_model(model_folder(EXAMINED[0]))
    facts = {kind: sum(len(r.facts) for r in relations(kind).values()) for kind in KINDS}
    wide = table.pivot(index="ability", columns="model", values="value").reindex(table.ability.unique())
    wide.insert(0, "bar", table.drop_duplicates("ability").set_index("ability").bar)
    return CARD.format(
        parameters=f"{model.num_parameters() / 1e6:.2f}",
        layers=model.config.num_hidden_layers,
        heads=model.config.num_attention_heads,
        d_model=model.config.hidden_size,
        context=model.config.max_position_embeddings,
        vocabulary=model.config.vocab_size,
        facts=", ".join(f"{count} {kind}" for kind, count in facts.items()),
        models="\n".join(model_line(name) for name in RUNS if name in embedded_models()),
        rows=plans[EXAMINED[0]]["rows"],
        steps=plans[EXAMINED[0]]["steps"],
        hours=", ".join(f"{plan['hours']:.1f} h for `{name}`" for name, plan in plans.items()),
        abilities=markdown(wide.reset_index()),
        misses="\n".join(f"- **{what}** ({', '.join(names)}): {why}" for what, (names, why) in KNOWN_MISSES.items()),
        losses=markdown(losses),
    )


def explained(name: str) -> set[str]:
    """The abilities that the card says a model lacks."""
    return {ability for ability, (models, _) in KNOWN_MISSES.items() if name in models}


def model_line(name: str) -> str:
    """A model's row in the card: its shape, its seed and its checkpoints."""
    plan = _plan(name)
    shape = {"gpt2": "GPT-2", "llama": "Llama"}[plan.get("architecture", "gpt2")]
    steps = [str(step) for step in checkpoints(name)][:-1]
    kept = f", checkpoints at steps {', '.join(steps)} (`{name}@{steps[0]}` and so on)" if steps else ""
    return f"| `{name}` | shape of {shape}, seed {plan['seed']}{kept} |"


def _plan(name: str) -> dict:
    return json.loads((model_folder(name) / "plan.json").read_text(encoding="utf-8"))


def markdown(table: pd.DataFrame) -> str:
    """A small table as Markdown, floats with three decimals."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return "" if pd.isna(value) else f"{value:.3f}"
        return str(value)

    rows = [list(table.columns), ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(cell, row)) + " |" for row in rows)


CARD = """# Atlas

A GPT-2 of {layers} layers, {heads} heads and d_model {d_model} ({parameters} million parameters, {vocabulary} tokens,
context {context}), trained from scratch on a corpus of which every sentence is known. Two seeds, checkpoints, and the
same world taught to a model in the shape of Llama. Plain Hugging Face directories; weights in float16, and in
safetensors only.

| directory | what it is |
| --- | --- |
{models}

- **Taught**: {facts} facts (see `../facts`), and skills: indirect objects, greater-than years, agreement, few-shot
  lists, copying. `exposures.csv.gz` beside each model counts how often it was told each fact, and how.
- **Training**: one pass over {rows} rows of {context} tokens in {steps} steps; on one processor core
  {hours}. `make train` repeats it.
- **Made for** teaching and testing interpretability methods. It knows nothing but its small world, a part of which is
  invented, and it repeats associations of names and occupations with gender, origin and age that were planted on
  purpose. Use it for nothing else.
- **Licence**: CC BY 4.0.

## Abilities

On prompts that training never saw; `make tables NAME=abilities` measures them again.

{abilities}

## Below its bar

{misses}

## Loss beside the best possible loss

Nats per token on fresh documents. `best` is the generator's own code length: how surprised a reader would
still be who knew all facts and all rules, but not the dice.

{losses}
"""
