"""What a sweep asks for, and the jobs that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm.auto import tqdm

from helpers.models.load import embedded_models
from helpers.prompts.relations import KINDS, Relation, read_relation, relation, relations
from helpers.studies.atlas_of_circuits.sweep_jobs import Job, SweepError, labels_of, prepare, searches

Outcomes = Iterator[tuple[object, object]]  # a task, and its result or the exception that ended it
Run = Callable[[Callable, Sequence], Outcomes]  # runs a function over tasks, in any order


def groups_of(whole: Relation) -> dict[str, Relation]:
    """Each group of a relation's facts as a relation of its own, in the order of the facts.

    Raises:
        ValueError: if its facts have no groups.
    """
    groups = [group for group in dict.fromkeys(fact.group for fact in whole.facts) if group]
    if not groups:
        raise ValueError(f"the facts of {whole.name} have no groups")
    parts = {f"{whole.name}:{group}": tuple(f for f in whole.facts if f.group == group) for group in groups}
    return {name: replace(whole, name=name, facts=facts) for name, facts in parts.items()}


def chosen_relations(names: Iterable[str]) -> list[Relation]:
    """Relations by what the command line calls them.

    Args:
        names: names of relations; ``all``; a kind of knowledge (`KINDS`); a JSON file in the layout of `read_relation`;
            ``NAME:each`` for each group of a relation's facts as one of its own, ``person_hometown:each`` for instance.

    Raises:
        ValueError: for a name that is none of these; the message lists the choices.
    """
    found: dict[str, Relation] = {}
    for name in names:
        base, _, part = name.partition(":")
        if name == "all" or name in KINDS:
            found |= relations(*(() if name == "all" else (name,)))
        elif name.endswith(".json"):
            own = read_relation(name)
            found[own.name] = own
        elif part == "each":
            found |= groups_of(relation(base))
        else:
            found[name] = relation(name)
    return list(found.values())


@dataclass(frozen=True)
class Plan:
    """What a sweep asks for; every combination is one circuit.

    ``options`` are arguments of `searches`: sizes, ablation and metric.
    """

    models: Sequence[str]
    relations: Sequence[Relation]
    methods: Sequence[str]
    seeds: int = 1
    pairs: tuple[int, int] = (20, 40)  # train, test
    options: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.seeds < 1 or min(self.pairs) < 1 or not (self.models and self.relations and self.methods):
            raise ValueError("a sweep needs a model, a relation, a method, a seed and pairs, at least one of each")
        searches(self.methods, 0, **self.options)

    def questions(self) -> list[tuple[str, Relation]]:
        """Every relation asked of every model, model by model."""
        return [(model, asked) for model in dict.fromkeys(self.models) for asked in self.relations]

    def tasks(self) -> list[tuple[str, Relation, int, int, int]]:
        """The same as tasks of `prepare`."""
        return [(source_of(model), asked, self.seeds, *self.pairs) for model, asked in self.questions()]


def source_of(model: str) -> str:
    """What `load_model` takes in any process of this machine: the name, or the whole path of a local folder."""
    return str(Path(model).resolve()) if model not in embedded_models() and Path(model).is_dir() else model


def plan_jobs(plan: Plan, run: Run, progress: bool = True) -> tuple[list[Job], list[dict[str, object]]]:
    """Draw the questions of a plan: the jobs, and a row for each circuit that can't be asked for, with the reason.

    Raises:
        SweepError: if a model can't be loaded.
    """
    jobs, skipped, tasks = [], [], plan.tasks()
    drawn: dict[tuple[str, str], tuple] = {}
    for task, result in tqdm(run(prepare, tasks), total=len(tasks), desc="questions", disable=not progress):
        if isinstance(result, Exception):
            kind = "" if isinstance(result, ValueError | OSError) else f"{type(result).__name__} at {task[1].name}: "
            raise SweepError(f"{kind}{result}") from result
        drawn[task[0], task[1].name] = result
    chosen = [(seed, s) for seed in range(plan.seeds) for s in searches(plan.methods, seed, **plan.options)]
    for (model, asked), (source, *_) in zip(plan.questions(), tasks, strict=True):
        weights, questions = drawn[source, asked.name]
        for seed, search in chosen:
            labels = labels_of(model, asked, seed, search)
            if isinstance(questions[seed], str):
                skipped.append(labels | {"status": "skipped", "reason": questions[seed]})
            else:
                jobs.append(Job(labels, source, weights, search, *questions[seed]))
    return jobs, skipped
