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

from helpers.atlas.abilities import TEST_SEED, Ability, Subject, abilities, measure
from helpers.atlas.card import explained, model_card, shipped
from helpers.atlas.corpora import Corpus, documents, world
from helpers.atlas.corpus import EXPOSURES_FILE, Document, exposure_table
from helpers.atlas.second_abilities import closed_abilities, second_abilities
from helpers.atlas.tokenizer import BOS, VOCABULARY_SIZE
from helpers.atlas.training import IGNORED, RUNS, encode, pack, row_losses
from helpers.files import write_whole
from helpers.models.load import CHECKSUMS, WEIGHTS, model_folder

MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
ABILITIES_FILE = "abilities.csv"
LOSS_FILE = "loss_by_kind.csv"
PER_KIND = 300  # fresh documents of each kind on which losses are measured


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
def fresh_documents(told: Corpus) -> dict[str, list[Document]]:
    """Documents that training never saw, `PER_KIND` of each kind."""
    kinds: dict[str, list[Document]] = {}
    for document in documents(told, TEST_SEED, range(257, VOCABULARY_SIZE)):
        part = kinds.setdefault(document.kind, [])
        if len(part) < PER_KIND:
            part.append(document)
    return kinds


def loss_by_kind(folder: Path, told: Corpus = "first") -> pd.DataFrame:
    """The model's loss on fresh documents beside the best possible one, in nats per token, for each kind of document.

    ``best`` is what the generator's own choices cost: its code length divided by the tokens (see `skills.Draw`).
    """
    model, tokenizer = plain_model(folder)
    rows = []
    bos = tokenizer.convert_tokens_to_ids(BOS)
    for kind, part in fresh_documents(told).items():
        packed = pack(encode(part, tokenizer.backend_tokenizer), model.config.max_position_embeddings, bos)
        with torch.no_grad():
            losses = [row_losses(model, packed, slice(i, i + 32)).sum() for i in range(0, len(packed.tokens), 32)]
        tokens = int((packed.targets != IGNORED).sum())
        rows.append((kind, len(part), tokens, sum(map(float, losses)) / tokens, sum(d.nats for d in part) / tokens))
    return pd.DataFrame(rows, columns=["kind", "documents", "tokens", "loss", "best"])


def tests_of(name: str) -> list[Ability]:
    """The tests of a model that the package ships: those of its corpus."""
    told = RUNS[name].corpus
    if told == "circle":
        return closed_abilities(told, "circle")
    return abilities() if told == "first" else second_abilities(told)


def write_tables(_load: object, _write: object) -> None:
    """Measure all abilities of the trained models; write the tables and the model card.

    Raises:
        SystemExit: at a miss that the model card leaves out.
    """
    measured, lost = [], []
    for name in shipped():
        path = model_folder(name)
        measured.append(measure(examinee(path), tests=tests_of(name)).assign(model=name, weights=digest(name)))
        lost.append(loss_by_kind(path, RUNS[name].corpus).assign(model=name))
    table, losses = (pd.concat(parts, ignore_index=True) for parts in (measured, lost))
    for file, numbers in ((ABILITIES_FILE, table.round(5)), (LOSS_FILE, losses.round(4))):
        write_whole(WEIGHTS / file, numbers.to_csv(index=False, lineterminator="\n"))
    write_whole(
        WEIGHTS / "README.md", model_card(*(pd.read_csv(WEIGHTS / file) for file in (ABILITIES_FILE, LOSS_FILE)))
    )
    missed = [row for row in table[~table.met].itertuples() if row.ability not in explained(row.model)]
    if missed:
        raise SystemExit("Missed: " + ", ".join(f"{row.ability} ({row.model})" for row in missed))


def digest(name: str) -> str:
    """The first digits of a model's checksum: which weights a measurement belongs to."""
    return json.loads((WEIGHTS / CHECKSUMS).read_text(encoding="utf-8"))[f"{name}/model.safetensors"][:12]
