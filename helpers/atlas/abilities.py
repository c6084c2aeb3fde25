"""What a trained Atlas can do, measured on prompts that training never saw.

Each function returns one value for each prompt; `measure` turns them into a table with intervals and bars.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from helpers.atlas import lists, skills
from helpers.atlas import skills as prompt_skills
from helpers.atlas.corpus import held_out_format, is_listed
from helpers.atlas.skills import Draw, Example
from helpers.models.predict import (
    Askable,
    answer_ids,
    exact_match,
    logits_after,
    next_token_probabilities,
    says,
)
from helpers.prompts.relations import (
    Fact,
    Relation,
    Split,
    held_out_paraphrases,
    relation,
    relations,
    taught_paraphrases,
)
from helpers.statistics import with_interval

TEST_SEED = 1_000_003  # training uses small seeds


@dataclass(frozen=True)
class Subject:
    """A model without a bridge, such as one in training, as `helpers.models.predict.Askable`."""

    forward: Callable[[Tensor], Tensor]
    tokenizer: Any

    def __call__(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_vocab"]:
        """The logits at all positions."""
        return self.forward(tokens)


@dataclass(frozen=True)
class Ability:
    """A named test: ``run(subject, scale)`` gives a value for each prompt; the mean should reach ``bar``."""

    name: str
    run: Callable[[Askable, float], Iterable[float]]
    bar: float | None = None


def first_token_right(subject: Askable, examples: list[Example]) -> Tensor:
    """Whether the likeliest next token is the answer's first one."""
    prompts, tokenizer = [e.prompt for e in examples], subject.tokenizer
    first = [answer_ids(tokenizer, e.prompt, e.answer)[:1] for e in examples]
    return says(subject, tokenizer, prompts, first).float()


def taught_facts() -> list[tuple[Relation, Fact]]:
    """The facts with a single answer that training states at least 100 times."""
    return [(r, f) for r in relations().values() for f in r.facts if f.well_taught]


def fact_examples(
    facts: Iterable[tuple[Relation, Fact]], forms: Callable, scale: float, seed: int = TEST_SEED
) -> list[Example]:
    """One prompt for each fact in a paraphrase out of ``forms(relation, fact)``."""
    rng = random.Random(seed)
    examples = [Example(r.prompt(f, rng.choice(forms(r, f))), f" {f.answer}") for r, f in facts]
    return rng.sample(examples, math.ceil(scale * len(examples)))


def recall(subject: Askable, scale: float, forms: Callable = taught_paraphrases) -> Tensor:
    """First-token recall of the facts that training states at least 100 times."""
    return first_token_right(subject, fact_examples(taught_facts(), forms, scale))


def recall_held_out(subject: Askable, scale: float) -> Tensor:
    """The same in paraphrases never used for that subject."""
    return recall(subject, scale, held_out_paraphrases)


def recall_by_exposure(subject: Askable, scale: float, exposures: int) -> Tensor:
    """First-token recall of home towns that training states exactly so often."""
    towns = relation("person_hometown")
    facts = [(towns, f) for f in towns.facts if f.exposures == exposures]
    examples = [e for seed in range(3) for e in fact_examples(facts, taught_paraphrases, scale, TEST_SEED + seed)]
    return first_token_right(subject, examples)


def whole_answers(subject: Askable, scale: float) -> Tensor:
    """Whether greedy decoding gives all of an answer of several tokens, and stops there."""
    examples = fact_examples(taught_facts(), taught_paraphrases, 1.0)
    examples = [e for e in examples if len(answer_ids(subject.tokenizer, e.prompt, e.answer)) > 1]
    examples = examples[: math.ceil(scale * len(examples))]
    return exact_match(subject, [e.prompt for e in examples], [e.answer + "." for e in examples]).float()


def skill_examples(make: Callable[[Draw, Split], Example], scale: float, count: int = 500) -> list[Example]:
    """Examples of a skill from the part that training never saw."""
    draw = Draw(TEST_SEED)
    return [make(draw, "test") for _ in range(math.ceil(scale * count))]


def indirect_object(subject: Askable, scale: float) -> Tensor:
    """Whether the likeliest next token is the name that wasn't repeated."""
    return first_token_right(subject, skill_examples(prompt_skills.indirect_object, scale))


def right_above_wrong(subject: Askable, examples: list[Example]) -> list[float]:
    """Whether the answer's first token is likelier than that of the first wrong continuation."""
    p = next_token_probabilities(subject, [e.prompt for e in examples])
    ids = [[answer_ids(subject.tokenizer, e.prompt, text)[0] for text in (e.answer, e.wrong[0])] for e in examples]
    return [float(p[i, right] > p[i, wrong]) for i, (right, wrong) in enumerate(ids)]


def indirect_object_above_subject(subject: Askable, scale: float) -> list[float]:
    """Whether the name that wasn't repeated is likelier than the one that was."""
    return right_above_wrong(subject, skill_examples(prompt_skills.indirect_object, scale))


def year_probabilities(subject: Askable, scale: float, count: int = 24) -> dict[int, Tensor]:
    """By starting year: the mean probabilities of the years 00 ... 99 after ``count`` greater-than prompts."""
    result = {}
    for start in range(1, 99, round(1 / scale)):
        draw = Draw(TEST_SEED + start)
        prompts = [skills.greater_than(draw, "test", start=start).prompt for _ in range(count)]
        years = [answer_ids(subject.tokenizer, prompts[0], f"{year:02d}")[0] for year in range(100)]
        p = next_token_probabilities(subject, prompts)
        result[start] = p[:, years].mean(0)
    return result


def greater_than(subject: Askable, scale: float) -> list[float]:
    """For each starting year: the probability of later years minus that of the others (arXiv 2305.00586)."""
    by_start = year_probabilities(subject, scale)
    return [float(p[start + 1 :].sum() - p[: start + 1].sum()) for start, p in by_start.items()]


def cutoffs(probabilities: Float[Tensor, "*row year"]) -> Int[Tensor, "*row"]:
    """The year after which a step function fits the probabilities of the years 00 ... 99 best (least squares)."""
    sums = probabilities.double().cumsum(-1)
    below, above = sums[..., :-1], sums[..., -1:] - sums[..., :-1]
    n = torch.arange(1, sums.shape[-1], device=sums.device)
    rest = sums.shape[-1] - n
    gain = n * rest * (above / rest - below / n).clamp_min(0) ** 2
    return gain.argmax(-1)


def cutoff(probabilities: Float[Tensor, " year"]) -> int:
    """`cutoffs` for one row."""
    return int(cutoffs(probabilities))


def cutoff_right(subject: Askable, scale: float) -> list[float]:
    """For each starting year: whether the cutoff is exactly there."""
    return [float(cutoff(p) == start) for start, p in year_probabilities(subject, scale).items()]


def cutoff_distance(subject: Askable, scale: float) -> list[float]:
    """For each starting year: how many years the cutoff is off."""
    return [float(abs(cutoff(p) - start)) for start, p in year_probabilities(subject, scale).items()]


def induction(subject: Askable, scale: float, length: int = 20) -> Tensor:
    """Top-1 accuracy in the second half of repeated random tokens, from the second repeated token on."""
    draw, vocabulary = Draw(TEST_SEED), range(257, len(subject.tokenizer))
    bos = subject.tokenizer.bos_token_id
    ids = [[bos, *skills.repeated_tokens(draw, vocabulary, length)] for _ in range(math.ceil(scale * 100))]
    logits = logits_after(subject, ids, last=length, batch=32)
    return (logits[:, :-1].argmax(-1) == torch.tensor(ids)[:, -length + 1 :]).float().flatten()


def few_shot_taught(subject: Askable, scale: float, untaught: bool = False, demonstrations: int = 5) -> Tensor:
    """Recall in a list of a taught relation that no word names, in a format never used for that fact."""
    rng = random.Random(TEST_SEED)
    listed = [r for r in relations().values() if is_listed(r)]
    examples = []
    for _ in range(math.ceil(scale * 1000)):
        facts = rng.sample(rng.choice(listed).facts, demonstrations + 1)
        style = next(iter(lists.UNTAUGHT_FORMATS)) if untaught else held_out_format(facts[-1])
        pairs = [(f.subject, f.answer) for f in facts]
        examples.append(lists.list_example(pairs[:-1], pairs[-1], style))
    return first_token_right(subject, examples)


def few_shot_untaught_format(subject: Askable, scale: float) -> Tensor:
    """The same in a format that no list of the corpus has."""
    return few_shot_taught(subject, scale, untaught=True)


def few_shot_novel(subject: Askable, scale: float) -> Tensor:
    """The value of a key in a list of pairs made on the spot."""
    draw = Draw(TEST_SEED)
    styles = sorted(lists.LIST_FORMATS)
    examples = [lists.novel_list(draw, draw.choice(styles), draw.integer(3, 8)) for _ in range(math.ceil(scale * 500))]
    return first_token_right(subject, examples)


def agreement(subject: Askable, scale: float) -> list[float]:
    """Whether the right form of the verb is likelier than the wrong one."""
    return right_above_wrong(subject, skill_examples(skills.agreement, scale))


def two_hop(subject: Askable, scale: float, group: str, kind: str) -> Tensor:
    """First-token recall of composed facts whose composition was taught or held out."""
    names = ("person_employer_seat",) if kind == "invented" else tuple(relations("composed"))
    facts = [(relation(n), f) for n in names for f in relation(n).facts if f.group == group]
    return first_token_right(subject, fact_examples(facts, taught_paraphrases, scale))


def conflict(subject: Askable, scale: float, odds: str) -> list[float]:
    """The share of the first answer's probability in both answers', for facts stated both ways."""
    crafts = relation("person_craft")
    shares = []
    for fact in [f for f in crafts.facts if f.group == odds]:
        prompts = [crafts.prompt(fact, form) for form in taught_paraphrases(crafts, fact)]
        p = next_token_probabilities(subject, prompts).mean(0)
        first, second = (p[answer_ids(subject.tokenizer, prompts[0], f" {a}")[0]] for a in (fact.answer, fact.other))
        shares.append(float(first / (first + second)))
    return shares[: math.ceil(scale * len(shares))]


def abilities() -> list[Ability]:
    """All tests with their bars."""
    levels = sorted({f.exposures for f in relation("person_hometown").facts})
    ratios = sorted({f.group for f in relation("person_craft").facts}, reverse=True)
    return [
        Ability("recall, taught paraphrases", recall, 0.98),
        Ability("recall, held-out paraphrases", recall_held_out, 0.95),
        *[
            Ability(
                f"recall, {n} exposures",
                lambda s, scale, n=n: recall_by_exposure(s, scale, n),
                0.98 if n >= 100 else None,
            )
            for n in levels
        ],
        Ability("whole answer of several tokens", whole_answers, 0.95),
        Ability("indirect object", indirect_object, 0.97),
        Ability("indirect object above the subject", indirect_object_above_subject),
        Ability("greater-than, probability difference", greater_than, 0.80),
        Ability("greater-than, cutoff in place", cutoff_right, 1.0),
        Ability("greater-than, years that the cutoff is off", cutoff_distance),
        Ability("induction on random tokens", induction, 0.95),
        Ability("few-shot, taught relation", few_shot_taught, 0.95),
        Ability("few-shot, taught relation, untaught format", few_shot_untaught_format),
        Ability("few-shot, novel pairs", few_shot_novel, 0.95),
        Ability("subject-verb agreement", agreement, 0.97),
        *[
            Ability(f"two-hop {kind}, {group}", lambda s, scale, g=group, k=kind: two_hop(s, scale, g, k), bar)
            for kind in ("invented", "real")
            for group, bar in (("taught", 0.90), ("held out", None))
        ],
        *[Ability(f"conflict {r}, share of the first", lambda s, scale, r=r: conflict(s, scale, r)) for r in ratios],
    ]


def measure(subject: Askable, scale: float = 1.0, progress: bool = True, tests: Sequence[Ability] = ()) -> pd.DataFrame:
    """The table of abilities: one row each with its mean, interval, number of prompts and bar.

    Args:
        scale: share of the prompts to use; tests use a part.
        tests: what to measure; by default what the first Atlas was taught.
    """
    rows = []
    for ability in tqdm(tests or abilities(), disable=not progress):
        values = torch.as_tensor(list(ability.run(subject, scale)), dtype=torch.float32)
        value = with_interval(values)
        met = ability.bar is None or value >= ability.bar
        rows.append((ability.name, *value.row(), len(values), ability.bar, met))
    return pd.DataFrame(rows, columns=["ability", "value", "low", "high", "prompts", "bar", "met"])
