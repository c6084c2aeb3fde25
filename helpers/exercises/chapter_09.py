"""Checks of the exercises in *Circuit competition*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from helpers.circuits.ablation import run_circuit
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.exercises.kit import Compared, attempted, check, expect, mean_interval, two_ends
from helpers.prompts.pairs import PromptPairs
from helpers.studies.competition.competition import scale_edges
from helpers.studies.competition.conflicts import KnowledgeConflicts
from helpers.studies.tables import read_table

DRAWS = 500
CHOICES = ("less", "as often", "more")


@check
def adds_up(interaction: Callable[[KnowledgeConflicts], Tensor], model, conflicts: KnowledgeConflicts) -> None:
    """``interaction(conflicts)`` is what two supports do together beyond what each does alone."""
    some = conflicts.select(range(min(12, len(conflicts))))
    given = attempted(interaction(some))
    expect(isinstance(given, Tensor) and given.shape == (len(some),), f"return a tensor of {len(some)} numbers.")
    start = logit_diff(run_circuit(model, Circuit.empty(Graph.from_model(model)), some.both), some.both)
    both, first, second = (logit_diff(p.clean_logits(model), p) for p in (some.both, some.first, some.second))
    right = both - first + second + start

    answer = Compared(given, right, 1e-2)
    answer.isnt(both - first - second + start, "in conflicts.second the second answer counts as right.")
    answer.isnt(both - first + second, "the start is in both separate scores: add it back once.")
    answer.isnt(both - first + second - start, "the start is taken away twice, so add it back.")
    answer.isnt(-right, "the sign is the wrong way round: together minus apart.")
    answer.is_right(f"for the first conflict it is {right[0]:.2f}, not {given[0]:.2f}.")


@check
def turns(turned: Callable[..., Tensor], model, pairs: PromptPairs, circuit: Circuit) -> None:
    """``turned(pairs, circuit, factor)`` gives the logits with a circuit's signal multiplied."""
    some = pairs.select(range(min(6, len(pairs))))
    for factor in (1.0, 2.0, 0.0, -0.5):
        given = attempted(turned(some, circuit, factor))
        expect(
            isinstance(given, Tensor) and given.shape == some.clean_logits(model).shape,
            f"return logits {tuple(some.clean_logits(model).shape)}, one row for each pair.",
        )
        right = scale_edges(model, some, [(circuit, factor)])

        alone = run_circuit(model, circuit, some)
        answer = Compared(given, right, 1e-2)
        answer.isnt(alone, "that runs the circuit alone; all other edges have to stay whole.")
        answer.isnt(some.clean_logits(model), f"a factor of {factor:g} changed nothing; is it put into the mask?")
        rest = scale_edges(model, some, [(~circuit, factor)])
        answer.isnt(rest, "that turns all edges but the circuit's.")
        expect(
            answer.near(right) or factor != 1.0,
            "a factor of 1 has to give the model's own logits; are the rows put back in their places?",
        )
        answer.is_right(f"with a factor of {factor:g} the logits differ.")


@check
def controlled(control: Callable[[str, str, str, int], str], prediction: str) -> None:
    """``control(question, value, other, times)`` says a false word as often, in sentences about another subject.

    ``prediction`` says whether SmolLM2 then copies the word less often than after a false sentence about the subject
    itself, as often, or more often (`CHOICES`).
    """
    attempted(prediction)
    question, value, other = "The capital of France is", "London", "The capital of Japan is"
    for times in (1, 3):
        given = attempted(control(question, value, other, times))
        expect(isinstance(given, str), f"return one text, not {type(given).__name__}.")
        expect(given.endswith(question), "the text has to end with the question, without a space or a point after it.")
        before = given.removesuffix(question)
        expect("France" not in before, "it still says something about the subject that is asked for.")
        said = before.count(value)
        expect(said > 0, "the false word must stand there, or you test something else: what a shorter text does.")
        expect(said == times, f"the word stands there {said} times instead of {times}: another dose.")
        expect(
            before.count(other) == times,
            "it has to stand in the same sentence about the other subject: a bare word differs in form, too.",
        )
        expect(
            given == f"{other} {value}. " * times + question, "sentences end with a point and a space, as in `told`."
        )
    expect(prediction in CHOICES, f"predict one of {', '.join(CHOICES)}, not {prediction!r}.")
    shares = copies_at(2)
    more = shares["another"] > shares["itself"]
    right = "more" if more else "as often" if abs(shares["another"] - shares["itself"]) < 0.05 else "less"
    told = f"{shares['another']:.0%} of the facts against {shares['itself']:.0%}"
    expect(prediction == right, f"told twice, the word is copied in {told}; what does that say about the two kinds?")


def copies_at(times: int) -> dict[str, float]:
    """In which share of the facts SmolLM2 says the false word, by whom the sentences are about."""
    table = read_table("competition_dose")
    return (table.says == "copy")[table.times == times].groupby(table.about).mean().to_dict()


def paired_quantiles(one: Sequence[float], other: Sequence[float], measured: Sequence[float], seed: int) -> np.ndarray:
    """The 95 % interval of a difference of accuracies, both judged on the same resamples."""
    truth = np.asarray(measured) > 0
    gain = ((np.asarray(one) > 0) == truth).astype(float) - ((np.asarray(other) > 0) == truth)
    return mean_interval(gain, seed, DRAWS)


@check
def paired(difference: Callable[..., Sequence[float]], table: pd.DataFrame) -> None:
    """``difference(one, other, measured, seed)`` is the paired interval of two predictions' difference in accuracy."""
    one, other, truth = (table[name].tolist() for name in ("predicted", "start", "measured"))
    for a, b, seed in ((one, other, 1), (other, one, 2), (one, one, 3)):
        given = two_ends(difference(a, b, truth, seed))
        right = paired_quantiles(a, b, truth, seed)
        expect(
            a is not b or np.allclose(given, 0),
            "a prediction against itself differs by nothing: use the same resample for both.",
        )
        expect(not np.allclose(given, -right) or np.allclose(given, right), "that is `other` minus `one`.")
        expect(given[0] <= given[1], "the lower end comes first.")
        near = np.abs(given - right).max() < 0.03
        expect(near, f"it is about [{right[0]:.2f}, {right[1]:.2f}], yours [{given[0]:.2f}, {given[1]:.2f}].")
