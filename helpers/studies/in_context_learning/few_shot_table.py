"""Few-shot lists in SmolLM2 and in Atlas: tables that take longer than a chapter may.

``python -m helpers tables lists`` writes them; chapters read them with `read_table`:

- ``lists_answers``: how often queries are answered rightly after demonstrations of several kinds;
- ``lists_heads``: each head's place in circuits, attention, and effect when it alone speaks of the task;
- ``lists_overlaps``: what circuits of sentences and of lists share;
- ``lists_ablation``: what sets of heads cost; ``lists_vectors``: what function vectors do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pandas as pd
from torch import Tensor
from tqdm.auto import tqdm

from helpers.circuits.metrics import hit_at_k
from helpers.components.heads import random_heads_like
from helpers.models.run import random_vector
from helpers.prompts.facts import TooFewPairs, relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.studies.in_context_learning.demonstrations import (
    ablation_cost,
    attention_by_part,
    circuit_counts,
    circuits_by_kind,
    new_heads,
    overlaps_by_kind,
)
from helpers.studies.in_context_learning.few_shot import (
    FewShotPrompts,
    corrupted_demonstrations,
    few_shot_prompts,
    right,
)
from helpers.studies.in_context_learning.function_vectors import (
    TOP,
    function_vector,
    indirect_effects,
    induction_scores,
    mean_writes,
    strongest,
    with_vector,
)
from helpers.studies.in_context_learning.list_answers import (
    answer_rows,
    class_rows,
    classes_of,
    copied,
)
from helpers.studies.in_context_learning.list_pairs import as_pairs
from helpers.studies.in_context_learning.settings import DEMONSTRATIONS, SETTINGS, UNLISTED, best_template, taught
from helpers.studies.in_context_learning.views import INDUCTION, NEW, VECTOR
from helpers.studies.tables import Load, Write

HALF, LISTS, JUDGED, DRAWS = 8, 12, 24, 2  # pairs of a circuit; lists of a mean; queries that judge; draws of others
OTHER = {"antonym": "comparative", "comparative": "antonym"}  # whose vector is tried in a relation's place
ELSE = "antonym"  # in all others


class Asked:
    """One relation asked in one model: what its tables are measured on, computed once."""

    def __init__(self, model, model_name: str, name: str, induction: Sequence[float], means: dict[str, Tensor]) -> None:
        self.model, self.model_name, self.name, self.setting = model, model_name, name, SETTINGS[model_name]
        self.induction, self.all_means = list(induction), means
        self.train = self.lists("train", 2 * LISTS)
        self.means = means[name] = mean_writes(model, self.train[:LISTS])
        alone = [one.without_demonstrations() for one in self.train[:LISTS]]
        self.alone = as_pairs(model, alone)
        self.effects = indirect_effects(model, self.alone, self.means)

    def lists(self, split: str, n: int, name: str | None = None, demonstrations: int = DEMONSTRATIONS) -> list:
        """Lists of a relation in the model's format."""
        asked = taught(name or self.name)
        return few_shot_prompts(asked, n, demonstrations, split=split, style=self.setting.style)

    def answered(self) -> list[FewShotPrompts]:
        """Lists that the model answers rightly, as many as two circuits need: a circuit is one of something it does."""
        done = right(self.model, self.train).tolist()
        ordered = [one for one, ok in zip(self.train, done, strict=True) if ok]
        ordered += [one for one, ok in zip(self.train, done, strict=True) if not ok]
        return ordered[: 2 * HALF]

    def sentences(self) -> tuple[list[PromptPairs], bool]:
        """Two halves of the relation's sentences: known facts where there are enough; and whether there are."""
        template, asked = best_template(self.model_name, self.name), taught(self.name)

        def halves(known: bool) -> list[PromptPairs]:
            options = dict(paraphrase=template, known=known)
            return [relation_pairs(self.model, asked, HALF, split=half, **options) for half in ("train", "test")]

        try:
            return halves(True), True
        except TooFewPairs:
            return halves(False), False

    def head_table(self, counts: pd.DataFrame) -> pd.DataFrame:
        """A row for each head: circuits, attention, its effect and its induction score."""
        table = counts.merge(attention_by_part(self.model, self.train[:LISTS]), on="head")
        return table.assign(effect=self.effects.flatten().tolist(), induction=self.induction)

    def sets(self, heads: pd.DataFrame) -> dict[str, list[str]]:
        """New heads, and the best heads of either kind that aren't among the best of the other."""
        by = {kind: heads.sort_values(kind, ascending=False, kind="stable")["head"] for kind in ("effect", "induction")}
        top = {kind: set(order.head(TOP)) for kind, order in by.items()}
        vector = by["effect"][~by["effect"].isin(top["induction"])].head(TOP)
        induction = by["induction"][~by["induction"].isin(top["effect"])].head(TOP)
        return {NEW: new_heads(heads), VECTOR: vector.tolist(), INDUCTION: induction.tolist()}

    def ablation_table(self, sets: dict[str, list[str]]) -> pd.DataFrame:
        """What each set costs in lists of the test half, beside other heads of the same layers."""
        pairs, rows = as_pairs(self.model, self.lists("test", JUDGED)), []
        spared = sorted(set().union(*sets.values()))
        for label, heads in sets.items():
            if heads:
                others = [random_heads_like(self.model, heads, spared, seed) for seed in range(DRAWS)]
                if len(others[0]) < len(heads):  # where sets leave too few, only the set itself is spared
                    others = [random_heads_like(self.model, heads, seed=seed) for seed in range(DRAWS)]
                cost = ablation_cost(self.model, pairs, heads, others)
                row = {"set": label, "heads": " ".join(heads)} | {key: float(value) for key, value in cost.items()}
                rows.append(row | {"low": cost["costs more"].low, "high": cost["costs more"].high})
        return pd.DataFrame(rows)

    def vectors(self) -> dict[str, object]:
        """Function vectors by their kind: its own and its controls."""
        model, heads = self.model, strongest(self.effects, TOP)
        own = function_vector(self.means, heads)
        shuffled = mean_writes(model, corrupted_demonstrations(self.train[:LISTS], "shuffled")[0])
        other = OTHER.get(self.name, ELSE)
        if other not in self.all_means:
            self.all_means[other] = mean_writes(model, self.lists("train", LISTS, other))
        order = pd.Series(self.induction).sort_values(ascending=False, kind="stable").index[:TOP]
        copying = [f"a{place // self.means.shape[1]}.h{place % self.means.shape[1]}" for place in order]
        found = {
            "shuffled labels": function_vector(shuffled, heads),
            "another relation": function_vector(self.all_means[other], heads),
        }
        for seed in range(DRAWS):
            found[f"other heads {seed}"] = function_vector(self.means, random_heads_like(model, heads, seed=seed))
        found |= {"induction heads": function_vector(self.means, copying), "random": random_vector(own)}
        return {"its own": own} | found

    def vector_table(self) -> pd.DataFrame:
        """Right answers without demonstrations, with a vector added; the layer is chosen on the train half.

        Returns:
            Columns ``kind, layer`` (-1: nothing added), ``chosen`` (whether the layer is the chosen one), ``value``.
        """
        model, vectors = self.model, self.vectors()
        test = as_pairs(model, self.lists("test", JUDGED, demonstrations=0))

        def share(pairs: PromptPairs, kind: str, layer: int) -> float:
            return hit_at_k(with_vector(model, pairs, vectors[kind], layer), pairs, k=1).mean().item()

        best = max(self.setting.layers, key=lambda layer: share(self.alone, "its own", layer))
        rows = [("none", -1, True, hit_at_k(test.clean_logits(model), test, k=1).mean().item())]
        rows += [("its own", n, n == best, share(test, "its own", n)) for n in self.setting.layers]
        rows += [(kind, best, True, share(test, kind, best)) for kind in vectors if kind != "its own"]
        return pd.DataFrame(rows, columns=["kind", "layer", "chosen", "value"])

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables of this relation."""
        sentences, known = self.sentences()
        circuits = circuits_by_kind(self.model, sentences, self.answered(), self.setting.edges)
        heads = self.head_table(circuit_counts(circuits))
        found = {"lists_heads": heads, "lists_overlaps": overlaps_by_kind(circuits).assign(known=known)}
        found |= {"lists_vectors": self.vector_table(), "lists_ablation": self.ablation_table(self.sets(heads))}
        return {name: table.assign(relation=self.name) for name, table in found.items()}


def more_answers(model, model_name: str) -> Iterator[pd.DataFrame]:
    """Rows of ``lists_answers`` for what isn't asked otherwise: copying, classes, relations that were never listed."""
    setting = SETTINGS[model_name]
    yield copied(model)
    yield from (class_rows(model, name, setting) for name in classes_of(setting))
    for name in UNLISTED if model_name != "smollm2" else ():
        yield answer_rows(model, model_name, name)


def write_tables(load: Load, write: Write) -> None:
    """Measure lists in all models; each table is written after each relation, so a stopped run leaves what it has."""
    done: dict[str, list[pd.DataFrame]] = defaultdict(list)

    def add(table: str, rows: pd.DataFrame, model_name: str) -> None:
        done[table].append(rows.assign(model=model_name))
        write(table, pd.concat(done[table], ignore_index=True))

    for model_name in SETTINGS:
        model = load(model_name)
        induction, means = induction_scores(model), {}
        for name in tqdm(SETTINGS[model_name].names, desc=model_name):
            add("lists_answers", answer_rows(model, model_name, name), model_name)
            for table, rows in Asked(model, model_name, name, induction, means).tables().items():
                add(table, rows, model_name)
        for rows in more_answers(model, model_name):
            add("lists_answers", rows, model_name)
