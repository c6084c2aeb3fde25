"""How long searches take and how much memory they need, beside the slow references that they equal.

Each case runs in a process of its own, so that its peak memory is its own. ``make tables NAME=bench`` writes two
tables: ``bench`` (searches side by side) and ``cost`` (how attribution grows with the model and the prompts). Times of
different machines, or of different runs on a busy one, can't be compared; the ratios of one run can.
"""

from __future__ import annotations

import gc
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context

import pandas as pd
import torch
from tqdm.auto import tqdm

from helpers.atlas.skills import random_pairs
from helpers.circuits.circuit import Circuit
from helpers.circuits.evaluation import faithfulness
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.models.load import WEIGHTS, load_model
from helpers.prompts.facts import relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.searches.acdc import acdc
from helpers.searches.attribution import eap, eap_ig
from helpers.searches.edge_pruning import edge_pruning
from helpers.searches.exact import exact_scores
from helpers.studies.edge_pruning.plain_acdc import plain_acdc
from helpers.studies.tables import Load, Write

PAIRS, TAU, SIZE = 20, 0.1, 100
SMALL, MEDIUM = dict(n_layer=12, n_head=12, n_embd=768), dict(n_layer=24, n_head=16, n_embd=1024)
BASE = dict(n_layer=6, n_head=8, n_embd=192)  # the shape that `cost` varies


@dataclass(frozen=True)
class Case:
    """A search on a model and pairs; ``repeat`` times after ``warm`` unmeasured ones, the best time counts."""

    group: str
    name: str
    shape: dict | None  # of a random GPT-2; None for Atlas
    length: int  # tokens of each prompt, with BOS
    pairs: int
    run: Callable
    repeat: int = 5
    warm: int = 1


def transformer_lens_eap(model, pairs: PromptPairs) -> list:
    """TransformerLens's own edge attribution, on the same pairs."""
    from transformer_lens.tools.analysis import attribution_patching as theirs

    model.embed.requires_grad_(True)  # their backward pass has to begin at a parameter
    settings, results = theirs.EdgeAttributionConfig(granularity="edge"), []
    for i in range(len(pairs)):  # one pair at a time, because their metric sees one example without its number
        pair = pairs.select([i])
        results.append(
            theirs.attribution_patch(
                model,
                pair.clean_tokens,
                pair.corrupt_tokens,
                lambda logits, pair=pair: logit_diff(logits[:, -1], pair)[0],
                settings,
            )
        )
    return results


def cases() -> list[Case]:
    """All cases: on Atlas, on random models of GPT-2's shapes, and on shapes that vary in one thing."""
    atlas = [
        Case("Atlas", "EAP, TransformerLens", None, 6, PAIRS, transformer_lens_eap, 1, 0),
        Case("Atlas", "EAP", None, 6, PAIRS, eap),
        Case("Atlas", "EAP-IG, 5 steps", None, 6, PAIRS, eap_ig),
        Case("Atlas", "EAP-IG, activations", None, 6, PAIRS, lambda m, p: eap_ig(m, p, variant="activations"), 2),
        Case("Atlas", "exact scores", None, 6, PAIRS, exact_scores, 1, 0),
        Case("Atlas", "learned masks, 200 steps", None, 6, PAIRS, lambda m, p: edge_pruning(m, p, n_edges=SIZE), 1, 0),
        Case("Atlas", "ACDC", None, 6, PAIRS, lambda m, p: acdc(m, p, logit_diff, tau=TAU), 2, 1),
        Case("Atlas", "ACDC, plain sweep", None, 6, PAIRS, lambda m, p: plain_acdc(m, p, tau=TAU), 1, 0),
    ]
    small = [
        Case("GPT-2 small shape", "EAP", SMALL, 16, PAIRS, eap, 2),
        Case("GPT-2 small shape", "EAP-IG, 5 steps", SMALL, 16, PAIRS, eap_ig, 1),
        Case("GPT-2 medium shape", "EAP", MEDIUM, 16, PAIRS, eap, 1),
    ]
    varied = {
        "layers": [(BASE | dict(n_layer=n), 12, PAIRS) for n in (2, 4, 8, 16)],
        "heads": [(BASE | dict(n_head=n), 12, PAIRS) for n in (2, 4, 8, 16)],
        "prompt tokens": [(BASE, n, PAIRS) for n in (8, 16, 32, 64)],
        "pairs": [(BASE, 12, n) for n in (5, 20, 80, 320)],
    }
    cost = [
        Case(what, name, shape, length, pairs, search, 3)
        for what, settings in varied.items()
        for shape, length, pairs in settings
        for name, search in (("EAP", eap), ("EAP-IG, 5 steps", eap_ig))
    ]
    return [*atlas, *small, *cost]


def atlas_pairs(model, length: int, count: int, split: str = "train") -> PromptPairs:
    """Pairs of one length, for methods that take only such."""
    pairs = relation_pairs(model, "country_capital", 70, split=split)
    fitting = [i for i, ids in enumerate(pairs.clean_ids) if len(ids) == length]
    return pairs.select(fitting[:count])


def prepare(case: Case) -> tuple[object, PromptPairs]:
    """The case's model and pairs."""
    if case.shape is None:
        model = load_model("atlas", device="cpu")
        return model, atlas_pairs(model, case.length, case.pairs)
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        vocabulary = 50_257 if case.shape in (SMALL, MEDIUM) else 8_192
        GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, n_positions=128, **case.shape)).save_pretrained(folder)
        AutoTokenizer.from_pretrained(WEIGHTS / "atlas").save_pretrained(folder)
        model = load_model(folder, device="cpu")
    return model, random_pairs(model, case.length, case.pairs)


def measure(number: int) -> dict[str, object]:
    """Run one case in this process: its best time in seconds and the process's peak memory in MB."""
    case = cases()[number]
    model, pairs = prepare(case)
    gc.collect()
    for _ in range(case.warm):
        case.run(model, pairs)
    times = []
    for _ in range(case.repeat):
        start = time.perf_counter()
        result = case.run(model, pairs)
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = dict(group=case.group, search=case.name, layers=model.cfg.n_layers, heads=model.cfg.n_heads)
    row |= dict(edges=Graph.from_model(model).n_edges, tokens=case.length, pairs=case.pairs)
    row |= dict(seconds=min(times), peak_mb=peak)
    if case.shape is None and not isinstance(result, list):
        circuit = result if isinstance(result, Circuit) else result.greedy(SIZE)
        kept = faithfulness(model, circuit, atlas_pairs(model, case.length, 40, "test"))
        row |= dict(size=circuit.n_edges, faithfulness=float(kept), low=kept.low, high=kept.high)
    return row


def write_tables(load: Load, write: Write) -> None:
    """Measure all cases, each in a new process; the tables say how long they took on the machine at hand."""
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        numbers = range(len(cases()))
        table = pd.DataFrame(tqdm(pool.imap(measure, numbers), total=len(numbers)))
    growing = table.group.isin(["layers", "heads", "prompt tokens", "pairs"])
    write("bench", table[~growing])
    write("cost", table[growing].dropna(axis=1, how="all"))
