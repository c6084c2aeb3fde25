"""New people, told to a trained model in either way, and the positions at which its new weights know them.

Fine-tuning is short: the new facts, amid as many texts that the model has seen before. Then the weights after it work
at some positions of a question and those before it at all others (`grafts`): where the answer is right, the fact was
added at these positions.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from tqdm.auto import tqdm
from transformers import AutoModelForCausalLM

from helpers.atlas import people, tellings
from helpers.atlas.corpora import Corpus, world
from helpers.atlas.corpus import Document, fact_documents, statements
from helpers.atlas.sample import corpus_sample
from helpers.atlas.second_corpus import Told
from helpers.atlas.skills import Draw
from helpers.atlas.training import IGNORED, RUNS, Rows, encode, optimizers, pack, row_losses, save_weights
from helpers.models.load import load_model, model_folder
from helpers.models.network import Network, read_network
from helpers.models.predict import answer_ids, prompt_ids, token_span
from helpers.prompts.facts import known_facts
from helpers.prompts.relations import Fact, Relation
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.where_facts_are_kept.grafts import grafted
from helpers.studies.where_facts_are_kept.places import told_models

PAIRS = {2: 12}  # words of a new name -> pairs of people that have the same words
ROUNDS = 40  # how often each new fact is told
RATE = 0.1  # of the learning rates of training
BATCH = 8  # rows of a step
PLACES = ("none", "subject", "subject last", "between", "last", "subject and last", "all")
TELLINGS: tuple[Told, ...] = ("profiles", "plain")


def new_people(told: Corpus, seed: int) -> list[Relation]:
    """Facts about people whom the corpus doesn't have, with names of two words that it has."""
    tables, rng = [table for table in world(told) if table.kind == people.KIND], random.Random(seed)
    old = sorted({tuple(f.subject.split()) for f in tables[0].facts if " " in f.subject})
    subjects = [" ".join(name) for name in people.names(rng, sorted({w for name in old for w in name}), PAIRS, old)]
    made = []
    for table in tables:
        facts = (Fact(table.name, who, rng.choice(table.answers), ROUNDS, group="2 words") for who in subjects)
        made.append(replace(table, facts=tuple(facts)))
    return made


def told_of(tables: list[Relation], telling: Told, seed: int) -> list[Document]:
    """Documents that tell every fact `ROUNDS` times."""
    draw = Draw(seed)
    if telling == "profiles":
        return list(tellings.profiles(draw, tellings.people_of(tables), ROUNDS))
    return list(fact_documents(draw, statements(draw, tables)))


def lessons(model, told: Corpus, documents: list[Document], seed: int) -> Rows:
    """The documents and as many old ones, shuffled and packed."""
    tokenizer, rng = model.tokenizer, random.Random(seed)
    new = encode(documents, tokenizer.backend_tokenizer)
    old = rng.sample([ids[1:] for ids in corpus_sample(tokenizer, told=told)], min(len(new), 3000))
    return pack(rng.sample(new + old, len(new) + len(old)), model.cfg.n_ctx, tokenizer.bos_token_id)


def taught(model, name: str, told: Corpus, documents: list[Document], seed: int = 0) -> object:
    """A copy of an embedded model that has gone on learning: the new documents once, at falling rates."""
    plan, student = RUNS[name], AutoModelForCausalLM.from_pretrained(model_folder(name), dtype=torch.float32)
    rows, opts = lessons(model, told, documents, seed), optimizers(student, RUNS[name])
    starts = range(0, len(rows.tokens), BATCH)
    for step, start in enumerate(tqdm(starts, desc=f"{name}, told anew")):
        for opt, lr in zip(opts, (plan.muon_lr, plan.adam_lr), strict=True):
            opt.param_groups[0]["lr"] = RATE * lr * (1 - step / len(starts))
        index = slice(start, start + BATCH)
        (row_losses(student, rows, index).sum() / (rows.targets[index] != IGNORED).sum()).backward()
        for opt in opts:
            opt.step()
            opt.zero_grad()
    with tempfile.TemporaryDirectory() as folder:
        save_weights(Path(folder), student, model.tokenizer.backend_tokenizer)
        return load_model(folder)


def taken_at(place: str, subject: slice, length: int) -> list[bool]:
    """The positions of a question at which the new weights work."""
    chosen = {
        "none": (),
        "subject": range(subject.start, subject.stop),
        "subject last": (subject.stop - 1,),
        "between": range(subject.stop, length - 1),
        "last": (length - 1,),
        "subject and last": (*range(subject.start, subject.stop), length - 1),
        "all": range(length),
    }[place]
    return [position in chosen for position in range(length)]


@torch.no_grad()
def right_at(base: Network, donor: Network, ids: list[int], subject: slice, answer: int) -> list[bool]:
    """Whether the answer's token is the likeliest, by place (`PLACES`)."""
    taken = torch.tensor([taken_at(place, subject, len(ids)) for place in PLACES])
    return (grafted(base, donor, torch.tensor([ids] * len(PLACES)), taken).argmax(-1) == answer).tolist()


def graft_rows(model, after, tables: list[Relation], form: int = 0) -> pd.DataFrame:
    """A row for each new fact that the taught model knows, and each place: columns ``relation, subject, place, right``.

    A last column, ``known``, is the share of all new facts that it knows.
    """
    nets, rows = (read_network(model), read_network(after)), []
    for table in tables:
        for fact in known_facts(after, table, paraphrase=form):
            text = table.prompt(fact, form)
            ids = prompt_ids(model.tokenizer, text)
            subject = token_span(model.tokenizer, text, table.place(fact, form))
            answer = answer_ids(model.tokenizer, text, f" {fact.answer}")[0]
            right = right_at(*nets, ids, subject, answer)
            rows += [(table.name, fact.subject, *pair) for pair in zip(PLACES, right, strict=True)]
    found = pd.DataFrame(rows, columns=["relation", "subject", "place", "right"])
    return found.assign(known=len(rows) / len(PLACES) / sum(len(table.facts) for table in tables))


def write_tables(load: Load, write: Write) -> None:
    """Tell all models of the second Atlas of new people in both ways, and graft."""
    write_parts(write, "grafts", parts(load))


def parts(load: Load) -> Iterator[pd.DataFrame]:
    """One part for each model and way of telling; shares with the number of facts behind them, by subject."""
    for name, model, told in told_models(load):
        tables = new_people(told, seed=1)
        for telling in TELLINGS:
            after = taught(model, name, told, told_of(tables, telling, seed=1))
            found = graft_rows(model, after, tables)
            shares = found.groupby(["place", "subject", "known"], sort=False).right.agg(["mean", "size"])
            table = shares.set_axis(["right", "facts"], axis=1).reset_index()
            yield table.assign(model=name, telling=telling)
