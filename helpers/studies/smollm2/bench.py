"""What the library's calls cost on SmolLM2, beside the arithmetic that they can't do without.

``make tables NAME=smollm2_bench`` writes the table. Each call runs in a process of its own, so that its peak memory is
its own, and beside it a large matrix product: times of different machines, or of a busy one, can't be compared, the
ratio to what the same machine could do at that moment can.
"""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context

import pandas as pd
import torch
from tqdm.auto import tqdm

from helpers.circuits.circuit import Circuit
from helpers.circuits.evaluation import faithfulness
from helpers.circuits.metrics import logit_diff
from helpers.components.head_classes import classify_heads
from helpers.editing.edit import contexts, essence, make_batch, sample_prefixes
from helpers.editing.requests import edit_requests
from helpers.editing.rome import key_covariance, measure, rome, statements
from helpers.editing.tracing import SAMPLES, causal_trace
from helpers.models.load import load_model
from helpers.models.network import read_network
from helpers.models.predict import prompt_ids
from helpers.prompts.facts import relation_pairs, split_of
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import relation
from helpers.searches.acdc import acdc
from helpers.searches.attribution import eap, eap_ig
from helpers.searches.exact import exact_sample
from helpers.studies.smollm2.circuits import TAU
from helpers.studies.tables import Load, Write

RELATION, PAIRS, TEST, SIZE, LAYER, TOKENS = "country_capital", 20, 30, 400, 6, 100_000
SIDE, PRODUCTS = 2048, 6  # of the matrix product


class Setting:
    """The model, its pairs, and its arithmetic: multiplications and additions at one position."""

    def __init__(self) -> None:
        self.model = load_model("smollm2", device="cpu")
        self.net = read_network(self.model)
        layer = self.net.layers[0]
        parts = (layer.W_Q, layer.W_K, layer.W_V, layer.W_O, layer.W_in, layer.W_gate, layer.W_out)
        self.depth, self.per_layer = len(self.net.layers), 2 * sum(part.numel() for part in parts)
        self.per_token, self.per_word = self.depth * self.per_layer, 2 * self.net.W_U.numel()

    @cached_property
    def train(self) -> PromptPairs:
        """Pairs that circuits are found on."""
        return relation_pairs(self.model, RELATION, PAIRS)

    @cached_property
    def test(self) -> PromptPairs:
        """Pairs that they are judged on."""
        return relation_pairs(self.model, RELATION, TEST, split="test")

    @cached_property
    def circuit(self) -> Circuit:
        """The circuit whose faithfulness is measured."""
        return eap_ig(self.model, self.train).top(SIZE)

    def differing(self, pairs) -> int:
        """Positions of the clean prompts from where they can differ from the corrupt ones."""
        return sum((len(g.clean_ids[0]) - g.first_difference) * len(g) for _, g in pairs.groups())

    @cached_property
    def request(self):
        """One edit of a capital."""
        return edit_requests(self.model, RELATION, 1)[0]

    @cached_property
    def prefixes(self) -> list[str]:
        """Texts before the edit's prompt."""
        return sample_prefixes(self.model)

    @cached_property
    def covariance(self):
        """The key covariance of the edited layer."""
        return key_covariance(self.model, LAYER)

    @cached_property
    def rows(self) -> list[list[int]]:
        """Statements of real facts, `TOKENS` tokens of them."""
        rows = statements(self.model, most=100_000)
        rows, total = rows * (1 + TOKENS // sum(map(len, rows))), 0
        for n, row in enumerate(rows):
            total += len(row)
            if total >= TOKENS:
                return rows[: n + 1]
        return rows


def questions(at: Setting) -> float:
    """Each fact of one half asked once: its own positions, and one word."""
    asked = relation(RELATION)
    ids = [prompt_ids(at.model.tokenizer, asked.prompt(f)) for f in asked.facts if split_of(f) == "train"]
    common = next(n for n in range(len(ids[0])) if len({tuple(row[: n + 1]) for row in ids}) > 1)
    return sum(map(len, ids)) * at.per_token - common * len(ids) * at.per_token + len(ids) * at.per_word


def attribution(at: Setting, steps: int) -> float:
    """Clean and corrupt run, a run and a backward pass for each step, and the products of writes and gradients."""
    pairs = at.train
    sources, readers = at.depth * (at.net.n_heads + 1) + 1, at.depth * (at.net.n_heads + 2 * at.net.n_groups + 1) + 1
    runs = (3 if steps == 1 else 2 + 2 * steps) * at.per_token
    return at.differing(pairs) * (runs + sources * readers * at.net.W_U.shape[0])


def heads(at: Setting) -> float:
    """Four ablations of each head, from its layer on: at all positions that differ, one of them at the last alone."""
    pairs = at.train
    layers = at.depth * (at.depth - 1) / 2 + 0.7 * at.depth
    return (3 * at.differing(pairs) + len(pairs)) * at.net.n_heads * layers * at.per_layer


def trace(at: Setting) -> float:
    """Every restored state from its layer on."""
    ids = prompt_ids(at.model.tokenizer, at.request.prompt.format(at.request.subject))
    rest = len(ids) - len(prompt_ids(at.model.tokenizer, at.request.prompt.split("{}")[0].strip()))
    return SAMPLES * rest**2 * at.depth * (at.depth - 1) / 2 * at.per_layer


def edit(at: Setting) -> float:
    """Steps of the value's search, forward and backward, above the edited layer, from the subject's end on."""
    tokenizer, made = at.model.tokenizer, edit_once(at)
    texts = make_batch([*contexts(tokenizer, at.request, at.prefixes), essence(tokenizer, at.request)])
    positions = int((texts.keep.max(1).values - texts.at + 1).sum())
    return 2 * len(made.losses) * positions * (at.depth - 1 - LAYER) * at.per_layer


def edit_once(at: Setting):
    """One ROME edit, its covariance and texts at hand."""
    return rome(at.model, at.request, LAYER, covariance=at.covariance, prefixes=at.prefixes)


def traced(at: Setting):
    """One causal trace of the residual stream."""
    asked = at.request
    return causal_trace(at.model, asked.prompt.format(asked.subject), asked.subject, asked.old)


@dataclass(frozen=True)
class Case:
    """A call; ``floor`` is its arithmetic (additions and multiplications), if that can be said beforehand."""

    name: str
    run: Callable[[Setting], object]
    floor: Callable[[Setting], float] | None
    repeat: int = 3


CASES = (
    Case(f"relation_pairs, {PAIRS}", lambda at: relation_pairs(at.model, RELATION, PAIRS), questions),
    Case("EAP", lambda at: eap(at.model, at.train), lambda at: attribution(at, 1)),
    Case("EAP-IG, 5 steps", lambda at: eap_ig(at.model, at.train), lambda at: attribution(at, 5)),
    Case(
        f"faithfulness, {SIZE} edges, {TEST} pairs",
        lambda at: faithfulness(at.model, at.circuit, at.test),
        lambda at: 2 * at.differing(at.test) * at.per_token + 3 * TEST * at.per_word,
    ),
    Case("classify_heads", lambda at: classify_heads(at.model, at.train), heads, 1),
    Case(
        f"key covariance, {TOKENS:,} tokens",
        lambda at: measure(at.net, LAYER, at.rows),
        lambda at: TOKENS * (LAYER + 0.9) * at.per_layer + TOKENS * 2 * len(at.net.layers[0].W_out) ** 2,
        1,
    ),
    Case("one ROME edit", edit_once, edit),
    Case("causal trace", traced, trace),
    Case(
        "exact scores of 3,000 edges",
        lambda at: exact_sample(at.model, at.train, 3000),
        None,  # it hangs on which readers were drawn
        1,
    ),
    Case("ACDC", lambda at: acdc(at.model, at.train, logit_diff, tau=TAU), None, 1),
)


def machine_speed() -> float:
    """Additions and multiplications a second in a large matrix product."""
    square = torch.ones(SIDE, SIDE)
    start = time.perf_counter()
    for _ in range(PRODUCTS):
        square @ square
    return PRODUCTS * 2 * SIDE**3 / (time.perf_counter() - start)


def measured(number: int) -> dict[str, object]:
    """Run one case in this process: its median time, peak memory, and the floor at this machine's speed just then."""
    case, at = CASES[number], Setting()
    floor = case.floor and case.floor(at)
    if case.repeat > 1:
        case.run(at)
    gc.collect()
    times, speeds = [], [machine_speed()]
    for _ in range(case.repeat):
        start = time.perf_counter()
        case.run(at)
        times.append(time.perf_counter() - start)
        speeds.append(machine_speed())
    seconds, speed = statistics.median(times), statistics.median(speeds)
    row = dict(call=case.name, threads=torch.get_num_threads(), seconds=seconds, gigaflops=speed / 1e9)
    row |= dict(floor_seconds=floor and floor / speed, times_floor=floor and seconds * speed / floor)
    return row | dict(peak_gb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def write_tables(load: Load, write: Write) -> None:
    """Measure all cases, each in a new process."""
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        numbers = range(len(CASES))
        write("smollm2_bench", pd.DataFrame(tqdm(pool.imap(measured, numbers), total=len(numbers))))
