"""Every public function, with arguments that make no sense: one sentence, soon, and never a number.

Each row of `CALLS` is a call that works. One argument after another is replaced by things that it can't be; the
library has to raise an error of its own that fits on a line, from its own code and within seconds. What a text, a
number or a model may be instead is listed once for each kind of argument.
"""

from __future__ import annotations

import json
import math
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch

import helpers
from helpers import Circuit, Graph, PromptPairs, Scores
from helpers.atlas.skills import greater_than_pairs, indirect_object_pairs, induction_pairs
from helpers.circuits.evaluation import baselines, cut_effect
from helpers.circuits.scores import read_mib, write_mib
from helpers.circuits.stability import stability
from helpers.components.heads import ablate_heads, measure_heads, random_heads_like
from helpers.components.lens import answer_by_layer, neuron_words, written_words
from helpers.components.skill_heads import measure_repeats
from helpers.editing.requests import EditRequest
from helpers.editing.rome import key_covariance
from helpers.searches.attribution import ceap, clean_corrupted
from helpers.studies.indirect_objects.skill_classes import classify_skill_heads, measure_indirect
from helpers.studies.locate_and_edit.counterfact import read_counterfact
from helpers.studies.which_search.by_role import eap_by_role

PATIENCE = 10  # seconds for one call
NAN, INF = math.nan, math.inf
OWN = Path(helpers.__file__).parent


class Odd:
    """Something that no function expects."""


def scalar(logits, pairs):
    return logits.sum()


def undirected(logits, pairs):
    return logits[:, 0]


NUMBERS = [None, "3", "many", 2.5, NAN, INF, True, [1], Odd()]
BAD: dict[str, list] = {
    "model": [None, "atlas", 3, Odd(), torch.nn.Linear(2, 2), Path("atlas")],
    "pairs": [None, "pairs", 3, [], [("a", "b")], {"clean": []}, Odd()],
    "circuit": [None, "circuit", 3, torch.zeros(3, dtype=torch.bool), ["m0->logits"], Odd()],
    "count": [0, -1, 10**9, *NUMBERS],
    "optional count": [0, -1, *NUMBERS[1:]],
    "amount": [-1, *NUMBERS],
    "layer": [-1, 99, *NUMBERS],
    "positive": [0, -1, NAN, INF, "3", [1], Odd()],
    "share": [-0.1, 1.5, NAN, "3", None, Odd()],
    "choice": ["no such thing", "", 3, [], Odd()],
    "metric": ["kl", 3, [], scalar, undirected, Odd()],
    "measure": ["kl", 3, [], scalar, Odd()],
    "texts": [None, 3, "a text where a list belongs", [1, 2], [None], [b"a"], {"a": 1}, Odd()],
    "names": [3, "a4.h6", [1], ["no such thing"], ["a99.h0"], Odd()],
    "text": [None, 3, [], b"bytes", Odd()],
    "relation": [None, 3, "no_such_relation", "", [], Odd()],
    "path": [None, 3, "no/such/file.json", ".", "~/no such file", Odd()],
    "request": [None, "request", 3, {}, Odd()],
    "optional request": ["request", 3, {}, Odd()],
    "optional texts": [3, "a text where a list belongs", [1, 2], [None], [b"a"], {"a": 1}, Odd()],
    "optional names": [3, "a4.h6", ["no such thing"], ["a99.h0"], Odd()],
    "steps": [0, -1, *NUMBERS],
    "seed": [*NUMBERS],
    "mask": [None, 3, "mask", torch.zeros(2, 2, dtype=torch.bool), "floats", Odd()],
}


@pytest.fixture(scope="module")
def scene(atlas, tmp_path_factory) -> dict[str, object]:
    """What the working calls are made of."""
    pairs = helpers.relation_pairs(atlas, "country_capital", 4)
    graph = Graph.from_model(atlas)
    scores = helpers.eap(atlas, pairs)
    request = helpers.edit_requests(atlas, "country_capital", 1)[0]
    return {
        "model": atlas,
        "pairs": pairs,
        "graph": graph,
        "scores": scores,
        "circuit": scores.top(40),
        "request": request,
        "ids": [list(row) for row in pairs.clean_ids],
        "indirect": indirect_object_pairs(atlas, 1),
        "folder": tmp_path_factory.mktemp("files"),
    }


def pairs_of(s: dict) -> dict:
    return {"model": s["model"], "pairs": s["pairs"]}


SEARCH = {"model": "model", "pairs": "pairs", "metric": "metric", "ablation": "choice", "batch": "optional count"}
ASKED = {"model": "model", "pairs": "pairs"}
PROMPTS = dict(
    clean=["The capital of France is"], corrupt=["The capital of Japan is"], answers=[" Paris"], wrong=[" Tokyo"]
)
# A function, what it is called with when all is well, and the kind of each argument that is tried.
Call = tuple[Callable, Callable[[dict], dict], dict[str, str]]
CALLS: dict[str, Call] = {
    "relation_pairs": (
        helpers.relation_pairs,
        lambda s: {"model": s["model"], "relation_or_name": "country_capital", "n": 2},
        {
            "model": "model",
            "relation_or_name": "relation",
            "n": "count",
            "seed": "seed",
            "split": "choice",
            "paraphrase": "layer",
        },
    ),
    "from_prompts": (
        PromptPairs.from_prompts,
        lambda s: {"model": s["model"], **PROMPTS},
        {"model": "model", **dict.fromkeys(PROMPTS, "texts")},
    ),
    "from_tokens": (
        PromptPairs.from_tokens,
        lambda s: {"model": s["model"], "clean": [[0, 300]], "corrupt": [[0, 301]], "answers": [302], "wrong": [303]},
        {"model": "model", "clean": "texts", "corrupt": "texts", "answers": "texts", "wrong": "texts"},
    ),
    "run_circuit": (
        helpers.run_circuit,
        lambda s: {**pairs_of(s), "circuit": s["circuit"]},
        {**ASKED, "circuit": "circuit", "ablation": "choice", "batch": "optional count"},
    ),
    "faithfulness": (
        helpers.faithfulness,
        lambda s: {**pairs_of(s), "circuit": s["circuit"]},
        {**ASKED, "circuit": "circuit", "metric": "measure", "ablation": "choice", "batch": "optional count"},
    ),
    "completeness": (
        helpers.completeness,
        lambda s: {**pairs_of(s), "circuit": s["circuit"]},
        {**ASKED, "circuit": "circuit", "metric": "measure"},
    ),
    "cpr_cmd": (
        helpers.cpr_cmd,
        lambda s: {**pairs_of(s), "scores": s["scores"], "sizes": [0.1, 1.0]},
        {**ASKED, "metric": "measure", "select": "choice", "ablation": "choice", "batch": "optional count"},
    ),
    "baselines": (baselines, pairs_of, {**ASKED, "metric": "measure", "ablation": "choice", "batch": "optional count"}),
    "cut_effect": (
        cut_effect,
        lambda s: {**pairs_of(s), "edges": ["m0->logits"]},
        {**ASKED, "metric": "metric", "edges": "names", "ablation": "choice"},
    ),
    "eap": (helpers.eap, pairs_of, {**SEARCH, "at": "choice", "rule": "choice", "chunk": "optional count"}),
    "clean_corrupted": (clean_corrupted, pairs_of, SEARCH),
    "eap_by_role": (eap_by_role, pairs_of, {**SEARCH, "steps": "count"}),
    "ceap": (ceap, pairs_of, {**SEARCH, "steps": "count"}),
    "stability": (
        stability,
        lambda s: {**pairs_of(s), "search": helpers.eap, "size": 9, "draws": 2},
        {**ASKED, "size": "amount", "draws": "count", "seed": "seed"},
    ),
    "read_mib": (read_mib, lambda s: {"path": own_graph(s)}, {"path": "path"}),
    "eap_ig": (helpers.eap_ig, pairs_of, {**SEARCH, "steps": "count", "points": "choice", "variant": "choice"}),
    "exact_scores": (helpers.exact_scores, lambda s: {"model": s["model"], "pairs": s["pairs"].select([0])}, SEARCH),
    "acdc": (helpers.acdc, lambda s: {**pairs_of(s), "tau": 0.1}, {**SEARCH, "tau": "positive"}),
    "edge_pruning": (
        helpers.edge_pruning,
        lambda s: {**pairs_of(s), "n_edges": 9, "steps": 1},
        {**SEARCH, "n_edges": "count", "steps": "steps", "lr": "positive", "seed": "amount"},
    ),
    "classify_heads": (helpers.classify_heads, pairs_of, {**ASKED, "thresholds": "mask"}),
    "classify_skill_heads": (
        classify_skill_heads,
        lambda s: {"model": s["model"], "count": 2},
        {"model": "model", "pairs": "optional request"},
    ),
    "measure_heads": (measure_heads, pairs_of, {**ASKED, "types": "optional names"}),
    "ablate_heads": (ablate_heads, lambda s: {**pairs_of(s), "heads": ["a0.h0"]}, {**ASKED, "heads": "names"}),
    "random_heads_like": (
        random_heads_like,
        lambda s: {"model": s["model"], "heads": ["a0.h0"]},
        {"model": "model", "heads": "names", "spared": "names", "seed": "amount"},
    ),
    "answer_by_layer": (answer_by_layer, pairs_of, {**ASKED, "read": "choice", "places": "names"}),
    "written_words": (
        written_words,
        lambda s: {**pairs_of(s), "nodes": ["m0"]},
        {**ASKED, "nodes": "names", "k": "count"},
    ),
    "neuron_words": (
        neuron_words,
        lambda s: {"model": s["model"], "layer": 0, "neuron": 0},
        {"model": "model", "layer": "layer", "k": "count"},
    ),
    "measure_repeats": (
        measure_repeats,
        lambda s: {"model": s["model"], "length": 4, "count": 2},
        {"model": "model", "length": "count", "seed": "amount", "vocabulary": "names"},
    ),
    "measure_indirect": (measure_indirect, lambda s: {"model": s["model"], "pairs": s["indirect"]}, ASKED),
    "indirect_object_pairs": (
        indirect_object_pairs,
        lambda s: {"model": s["model"], "n": 2},
        {"model": "model", "seed": "amount", "split": "choice"},
    ),
    "induction_pairs": (
        induction_pairs,
        lambda s: {"model": s["model"], "n": 2},
        {"model": "model", "length": "count", "seed": "amount"},
    ),
    "greater_than_pairs": (
        greater_than_pairs,
        lambda s: {"model": s["model"], "n": 2},
        {"model": "model", "seed": "amount", "split": "choice", "template": "choice", "starts": "names"},
    ),
    "next_token_probabilities": (
        helpers.next_token_probabilities,
        lambda s: {"model": s["model"], "prompts": ["The capital of France is"]},
        {"model": "model", "prompts": "texts"},
    ),
    "answer_ids": (
        helpers.answer_ids,
        lambda s: {"tokenizer": s["model"].tokenizer, "prompt": "The capital of France is", "answer": " Paris"},
        {"prompt": "text", "answer": "text"},
    ),
    "read_network": (helpers.read_network, lambda s: {"model": s["model"]}, {"model": "model"}),
    "Graph.from_model": (Graph.from_model, lambda s: {"model": s["model"]}, {"model": "model"}),
    "Circuit.from_edges": (
        Circuit.from_edges,
        lambda s: {"graph": s["graph"], "names": ["m0->logits"]},
        {"names": "names"},
    ),
    "Circuit": (
        Circuit,
        lambda s: {"graph": s["graph"], "mask": s["circuit"].mask},
        {"graph": "request", "mask": "mask"},
    ),
    "Scores": (
        Scores,
        lambda s: {"graph": s["graph"], "values": s["scores"].values},
        {"graph": "request", "values": "mask"},
    ),
    "Scores.top": (lambda scores, n: scores.top(n), lambda s: {"scores": s["scores"], "n": 9}, {"n": "amount"}),
    "Scores.greedy": (lambda scores, n: scores.greedy(n), lambda s: {"scores": s["scores"], "n": 9}, {"n": "amount"}),
    "Circuit.load": (Circuit.load, lambda s: {"path": saved(s)}, {"path": "path"}),
    "head_place": (helpers.head_place, lambda s: {"name": "a0.h1"}, {"name": "choice"}),
    "random_circuit": (
        helpers.random_circuit,
        lambda s: {"graph": s["graph"], "n": 9},
        {"graph": "request", "n": "amount", "seed": "amount", "like": "optional request"},
    ),
    "causal_trace": (
        helpers.causal_trace,
        lambda s: {
            "model": s["model"],
            "prompt": s["request"].text,
            "subject": s["request"].subject,
            "answer": "Paris",
        },
        {
            "model": "model",
            "prompt": "text",
            "subject": "choice",
            "answer": "text",
            "part": "choice",
            "window": "count",
            "noise": "positive",
            "seed": "seed",
        },
    ),
    "edit_requests": (
        helpers.edit_requests,
        lambda s: {"model": s["model"], "relation_or_name": "country_capital", "n": 1},
        {"model": "model", "relation_or_name": "relation", "n": "count", "seed": "seed"},
    ),
    "EditRequest": (
        EditRequest,
        lambda s: {"subject": "France", "prompt": "The capital of {} is", "old": "Paris", "new": "Rome"},
        {"subject": "text", "prompt": "text", "old": "text", "new": "text"},
    ),
    "rome": (
        helpers.rome,
        lambda s: {"model": s["model"], "request": s["request"], "layer": 1, "prefixes": ()},
        {"model": "model", "request": "request", "layer": "layer", "prefixes": "optional texts"},
    ),
    "ft_m": (
        helpers.ft_m,
        lambda s: {"model": s["model"], "request": s["request"], "layer": 1, "steps": 1},
        {
            "model": "model",
            "request": "request",
            "layer": "layer",
            "wordings": "layer",
            "steps": "steps",
            "rate": "positive",
        },
    ),
    "ft_l": (
        helpers.ft_l,
        lambda s: {"model": s["model"], "request": s["request"], "layer": 1, "steps": 1},
        {"model": "model", "request": "request", "layer": "layer", "bound": "positive"},
    ),
    "key_covariance": (
        key_covariance,
        lambda s: {"model": s["model"], "layer": 0, "text": s["ids"]},
        {"model": "model", "layer": "layer"},
    ),
    "evaluate_edits": (
        helpers.evaluate_edits,
        lambda s: {
            "model": s["model"],
            "requests": [s["request"]],
            "editor": partial(helpers.ft_m, s["model"], layer=1, steps=1),
        },
        {"model": "model", "requests": "pairs", "editor": "request", "unrelated": "optional texts"},
    ),
    "read_relation": (helpers.read_relation, lambda s: {"path": own_relation(s)}, {"path": "path"}),
    "read_counterfact": (read_counterfact, lambda s: {"path": own_records(s)}, {"path": "path"}),
    "relation": (helpers.relation, lambda s: {"name": "country_capital"}, {"name": "relation"}),
    "checkpoints": (helpers.checkpoints, lambda s: {"name": "atlas"}, {"name": "choice"}),
    "exposures": (helpers.exposures, lambda s: {"model": "atlas"}, {"model": "choice"}),
    "read_table": (helpers.read_table, lambda s: {"name": "edits"}, {"name": "choice"}),
    "load_model": (
        helpers.load_model,
        lambda s: {"name": "atlas"},
        {"name": "choice", "dtype": "choice", "device": "choice"},
    ),
}


def saved(s: dict) -> Path:
    path = s["folder"] / "circuit.json"
    s["circuit"].save(path)
    return path


def own_relation(s: dict) -> Path:
    path = s["folder"] / "own.json"
    raw = {
        "name": "own",
        "prompt_templates": ["The capital of {} is"],
        "samples": [{"subject": "France", "object": "Paris"}],
    }
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


def own_graph(s: dict) -> Path:
    path = s["folder"] / "graph.json"
    write_mib(path, s["circuit"], 32)
    return path


def own_records(s: dict) -> Path:
    path = s["folder"] / "records.json"
    rewrite = {
        "subject": "France",
        "prompt": "The capital of {} is",
        "target_true": {"str": "Paris"},
        "target_new": {"str": "Rome"},
    }
    path.write_text(json.dumps([{"requested_rewrite": rewrite}]), encoding="utf-8")
    return path


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"no answer within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_made_worse_works_to_begin_with(name, scene):
    function, good, kinds = CALLS[name]
    function(**good(scene))
    assert all(kind in BAD for kind in kinds.values())


CASES = [
    pytest.param(name, argument, value, id=f"{name}-{argument}-{number}")
    for name, (_, _, kinds) in CALLS.items()
    for argument, kind in kinds.items()
    for number, value in enumerate(BAD[kind])
]


@pytest.mark.parametrize(("name", "argument", "value"), CASES)
def test_a_bad_argument_gets_a_sentence(name, argument, value, scene):
    function, good, _ = CALLS[name]
    options = good(scene) | {argument: value}
    with time_limit(PATIENCE), pytest.raises((ValueError, OSError)) as caught:
        function(**options)
    said, frames = str(caught.value), traceback.extract_tb(caught.value.__traceback__)
    assert Path(frames[-1].filename).is_relative_to(OWN), f"a raw error of {frames[-1].filename}: {said}"
    assert said and "\n" not in said and len(said) < 900  # a list of 47 relations is one of the longest, said


def test_there_are_enough():
    assert len(CASES) >= 300
