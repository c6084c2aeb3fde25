"""The heads of all relations in Atlas and in SmolLM2: the tables that take longer than a chapter may.

``make tables NAME=heads`` writes ``heads`` and ``smollm2_routes`` (what was measured, so that thresholds can be changed
without measuring again) and ``head_names`` (the class of each head in other facts, other words and under a wrong
question). In Atlas every relation is split by how many tokens its subjects have.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd
from tqdm.auto import tqdm

from helpers.atlas.corpora import world
from helpers.atlas.wordings import asked_relations
from helpers.components.heads import measure_heads
from helpers.models.predict import prompt_ids
from helpers.prompts.facts import TooFewPairs, relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Relation, relation
from helpers.studies.heads.routes import EFFECT, LETTERS, brought_directly, brought_ranks, classify, measured_heads
from helpers.studies.tables import Load, Write, read_table, write_parts

ATLAS, REAL = ("atlas2", "atlas2-seed1"), "smollm2"
TOKENS = (1, 2, 3, 4)
LEAST, MOST = 6, 12  # pairs of a question to Atlas
REAL_PAIRS = 10
STEP = 6  # every sixth question to Atlas is asked in other facts and words
KEYS = ["model", "relation", "tokens"]
UNUSED = ["writes_answer", "writes_type", "effect_mean", "type_rises", "answer_falls", "answer_falls_zero"]
UNUSED += ["type_falls_zero", "effect", "ov_answer"]


@dataclass(frozen=True)
class Question:
    """A relation whose subjects all have as many tokens; 0 tokens: not split."""

    table: Relation
    tokens: int
    paraphrase: int = 0

    @property
    def keys(self) -> dict[str, object]:
        """What names its rows."""
        return {"relation": self.table.name, "tokens": self.tokens}

    def pairs(self, model, split: str = "train", paraphrase: int | None = None) -> PromptPairs:
        """As many pairs as there are, up to a dozen (of SmolLM2 always ten).

        Raises:
            TooFewPairs: if there are fewer than six, or ten.
        """
        least, most = (LEAST, MOST) if self.tokens else (REAL_PAIRS, REAL_PAIRS)
        p = self.paraphrase if paraphrase is None else paraphrase
        for n in range(most, least, -1):
            try:
                return relation_pairs(model, self.table, n, split=split, paraphrase=p)
            except TooFewPairs:
                continue
        return relation_pairs(model, self.table, least, split=split, paraphrase=p)

    def in_other_words(self, model) -> PromptPairs:
        """The same facts in another paraphrase: if there is one, with the subject at the other end.

        Raises:
            TooFewPairs: if no other paraphrase has enough known facts.
        """
        first = self.table.templates[self.paraphrase].startswith("{}")
        others = [p for p in range(len(self.table.templates)) if p != self.paraphrase]
        for p in sorted(others, key=lambda p: self.table.templates[p].startswith("{}") == first):
            try:
                return self.pairs(model, paraphrase=p)
            except TooFewPairs:
                continue
        raise TooFewPairs(f"no other paraphrase of {self.table.name} has enough facts that the model knows")


def atlas_questions(model) -> Iterator[tuple[Question, PromptPairs]]:
    """What Atlas can be asked: the old world's relations and those of people, by tokens of the subject."""
    people = [table for table in world("profiles") if table.kind == "people"]
    for table in [*map(relation, asked_relations()), *people]:
        for tokens in TOKENS:
            facts = tuple(f for f in table.facts if _tokens(model, f.subject) == tokens)
            question = Question(replace(table, facts=facts), tokens)
            try:
                yield question, question.pairs(model)
            except TooFewPairs:
                continue


def _tokens(model, subject: str) -> int:
    return len(prompt_ids(model.tokenizer, f"the {subject}")) - len(prompt_ids(model.tokenizer, "the"))


def real_questions() -> list[Question]:
    """The relations that SmolLM2's heads were measured in, each in its best template."""
    template = read_table("smollm2_knows").query("model == @REAL and known > 0").set_index("relation").template
    return [Question(relation(name), 0, int(template[name])) for name in read_table("smollm2_heads").relation.unique()]


def heads_rows(load: Load) -> Iterator[pd.DataFrame]:
    """What `measured_heads` says of both seeds of Atlas."""
    for label in ATLAS:
        model = load(label)
        for question, pairs in tqdm(atlas_questions(model)):
            frame = measured_heads(model, pairs).drop(columns=UNUSED).assign(pairs=len(pairs))
            yield frame.round(3).assign(model=label, **question.keys)


def routes_rows(model) -> Iterator[pd.DataFrame]:
    """What ``smollm2_heads`` lacks: direct parts, and of the heads with an effect the ranks of what they bring."""
    measured = read_table("smollm2_heads")
    for question in tqdm(real_questions()):
        pairs, frame = question.pairs(model), measured[measured.relation == question.table.name]
        frame = frame.assign(direct_from_subject=brought_directly(model, pairs).flatten().tolist(), pairs=len(pairs))
        strong = frame.index[frame.effect_from_subject >= EFFECT * frame.model_diff]
        ranks = brought_ranks(model, pairs, list(frame.loc[strong, "head"]))
        frame.loc[strong, ["rank_answer", "rank_subject"]] = ranks.tolist()
        yield frame[["relation", "head", "direct_from_subject", "rank_answer", "rank_subject", "pairs"]]


def named(model, pairs: PromptPairs, types: list[int] | None = None) -> pd.DataFrame:
    """The classes of all heads on these pairs."""
    measured = measure_heads(model, pairs, types=types)
    direct = brought_directly(model, pairs)
    return classify(measured.assign(direct_from_subject=direct.flatten().tolist()))


def names_rows(model, question: Question) -> pd.DataFrame:
    """The classes of a question's heads in other facts, and in other words: a letter for each head (`LETTERS`)."""
    rows = []
    asked = {
        "other facts": lambda: question.pairs(model, "test"),
        "other words": lambda: question.in_other_words(model),
    }
    for setting, pairs in asked.items():
        try:
            rows.append({"setting": setting, "classes": spelt(named(model, pairs()))})
        except TooFewPairs:
            continue
    return pd.DataFrame(rows).assign(**question.keys)


def spelt(frame: pd.DataFrame) -> str:
    """A letter for each head."""
    return "".join(LETTERS[name] for name in frame["class"])


def wrong_type(model, question: Question, first: pd.DataFrame) -> pd.DataFrame:
    """The classes when the answers of another relation, which shares no answer with this one, count as the type.

    What the whole model says of the right type stays the measure, so a head has to write the wrong type as strongly.
    """
    pairs, others = question.pairs(model), asked_relations()
    random.Random(f"{question.table.name}{question.tokens}").shuffle(others)
    for name in others:
        types = relation_pairs(model, name, MOST).answer_ids.unique().tolist()
        if len(types) > 4 and not set(types) & set(pairs.answer_ids.tolist()):
            wrong = measure_heads(model, pairs, types=[*types])
            wrong = wrong.assign(direct_from_subject=first.direct_from_subject, model_type=first.model_type)
            return classify(wrong)
    raise ValueError(f"every relation shares an answer with {question.table.name}")


def atlas_names(model) -> Iterator[pd.DataFrame]:
    """The classes in other facts, in other words and with a wrong type: the first seed of Atlas."""
    kept = read_heads(ATLAS[0])
    for question, _ in tqdm(list(atlas_questions(model))[::STEP]):
        yield names_rows(model, question).assign(model=ATLAS[0])
        wrong = wrong_type(model, question, kept[question.table.name, question.tokens])
        yield pd.DataFrame([{"setting": "wrong type", "classes": spelt(wrong), "model": ATLAS[0], **question.keys}])


def write_tables(load: Load, write: Write) -> None:
    """Measure the heads of both models, and name them in other facts and words."""
    write_parts(write, "heads", heads_rows(load))
    write_parts(write, "smollm2_routes", routes_rows(load(REAL)))
    write_parts(write, "head_names", atlas_names(load(ATLAS[0])))


def read_heads(model: str = ATLAS[0], times: float = 1.0) -> dict[tuple[str, int], pd.DataFrame]:
    """The measurements of one model with the classes that they give, by relation and tokens of the subject.

    SmolLM2's relations aren't split: they have 0 tokens.

    Args:
        times: what all thresholds are multiplied by (`helpers.studies.heads.routes.thresholds`).

    Raises:
        ValueError: for a model that the tables don't have.
    """
    if model == REAL:
        table = (
            read_table("smollm2_heads").merge(read_table("smollm2_routes"), on=["relation", "head"]).assign(tokens=0)
        )
    else:
        table = read_table("heads")
        if model not in set(table.model):
            raise ValueError(f"no heads of {model!r} in the tables; they have {', '.join((*ATLAS, REAL))}")
        table = table[table.model == model]
    parts = classify(table.reset_index(drop=True), times).groupby(["relation", "tokens"], sort=False)
    return {keys: part.reset_index(drop=True) for keys, part in parts}
