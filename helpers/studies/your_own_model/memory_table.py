"""What fits into which memory: peaks that were measured on random weights of known shapes, and estimates for machines.

``make tables NAME=memory`` writes the table ``memory``. Rows of kind ``measured`` come from this machine's processor,
each from a process of its own; rows of kind ``estimated`` are `memory_estimate` for a machine, where nothing was run.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path

import pandas as pd
import torch
from tqdm.auto import tqdm

from helpers.atlas.architectures import gpt2_config, llama_config
from helpers.atlas.skills import random_pairs
from helpers.circuits.ablation import run_circuit
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.memory import GB, Shape
from helpers.models.load import WEIGHTS, Dtype, load_model
from helpers.searches.attribution import eap, eap_ig
from helpers.searches.edge_pruning import edge_pruning
from helpers.studies.processes import alone, memory_status
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.your_own_model.memory import Search, memory_estimate

SHAPES = {
    "GPT-2 small": Shape(12, 12, 12, 768, 3072, 50_257, n_ctx=1024),
    "GPT-2 medium": Shape(24, 16, 16, 1024, 4096, 50_257, n_ctx=1024),
    "GPT-2 XL": Shape(48, 25, 25, 1600, 6400, 50_257, n_ctx=1024),
    "TinyLlama": Shape(22, 32, 4, 2048, 5632, 32_000, gated=True, tied=False),
    "Llama 2 7B": Shape(32, 32, 32, 4096, 11_008, 32_000, gated=True, tied=False),
}
TOKENS, PAIRS = 10, 8
# GB that circuit work may take: of a laptop's 16, the system keeps 3 and Python one; a card's driver keeps some.
MACHINES = {"16 GB laptop": 12.0, "T4 (16 GB)": 14.5, "80 GB card": 78.0}
SEARCHES = {
    "run_circuit": lambda m, p, **o: run_circuit(m, Circuit.empty(Graph.from_model(m)), p, **o),
    "eap": eap,
    "eap_ig": eap_ig,
    "edge_pruning": lambda m, p, **o: edge_pruning(m, p, n_edges=100, steps=1, **o),
}


@dataclass(frozen=True)
class Case:
    """A search on random weights of a shape."""

    model: str
    dtype: Dtype
    search: Search
    batch: int | None = None
    chunk: int | None = None
    tokens: int = TOKENS


CASES = (  # all searches on the small shape, and what still fits here on the larger ones
    *(Case("TinyLlama", "bfloat16", search) for search in ("eap", "eap_ig")),
    Case("TinyLlama", "float32", "eap"),
    *(Case("GPT-2 small", "float32", search) for search in SEARCHES),
    Case("GPT-2 small", "float32", "eap_ig", batch=1),
    Case("GPT-2 small", "float32", "eap", tokens=50),
    Case("GPT-2 small", "float32", "eap", chunk=20, tokens=50),
    *(Case("GPT-2 medium", "float32", search) for search in ("eap", "eap_ig")),
)


def save_random(shape: Shape, folder: str | Path) -> None:
    """Random weights of a shape as a Hugging Face directory in bfloat16, with Atlas's tokenizer beside them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    sizes = (shape.d_model, shape.n_layers, shape.n_heads, shape.n_ctx or 128)
    tokens = dict(vocab_size=shape.d_vocab, bos_token_id=0, eos_token_id=0)
    config = (llama_config if shape.gated else gpt2_config)(*sizes, **tokens)
    if shape.gated:
        config.intermediate_size, config.num_key_value_heads = shape.d_mlp, shape.n_groups
        config.tie_word_embeddings = shape.tied
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(WEIGHTS / "atlas").save_pretrained(folder)


def measure(case: Case, folder: str | Path) -> dict[str, object]:
    """Run a case in this process: its seconds, and its peak memory beyond what Python needs without a model.

    Raises:
        FileNotFoundError: where there is no ``/proc`` (on another system than Linux).
    """
    start = memory_status("VmRSS") / GB
    begun = time.perf_counter()
    model = load_model(str(folder), device="cpu", dtype=case.dtype)
    load_seconds = time.perf_counter() - begun
    pairs = random_pairs(model, case.tokens, PAIRS)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    options = {key: value for key, value in (("batch", case.batch), ("chunk", case.chunk)) if value}
    begun = time.perf_counter()
    SEARCHES[case.search](model, pairs, **options)
    seconds = time.perf_counter() - begun
    work = dict(search=case.search, batch=min(PAIRS, case.batch or PAIRS), chunk=case.chunk)
    estimate = memory_estimate(Shape.from_model(model), case.tokens, **work)
    row = dict(kind="measured", machine="2 CPU cores", model=case.model, dtype=case.dtype, search=case.search)
    row |= dict(edges=Graph.from_model(model).n_edges, tokens=case.tokens, pairs=PAIRS)
    row |= dict(batch=case.batch, chunk=case.chunk, load_seconds=load_seconds, seconds=seconds)
    return row | dict(python_gb=start, peak_gb=memory_status("VmHWM") / GB - start, estimate_gb=estimate)


def measured_rows() -> Iterator[pd.DataFrame]:
    """One case after the other, each in a new process, one folder of weights at a time."""
    for name in tqdm(dict.fromkeys(case.model for case in CASES)):
        with tempfile.TemporaryDirectory() as folder:
            alone(save_random, SHAPES[name], folder)
            for case in (case for case in CASES if case.model == name):
                yield pd.DataFrame([alone(measure, case, folder)])


def estimated_rows() -> pd.DataFrame:
    """For each machine, shape, dtype and search: the estimate, whether it fits, and the largest batch that does."""
    rows, sizes = [], {"float32": 4, "bfloat16": 2}
    for machine, name, dtype, search in product(MACHINES, SHAPES, sizes, SEARCHES):
        shape, room = replace(SHAPES[name], itemsize=sizes[dtype]), MACHINES[machine]
        need = memory_estimate(shape, TOKENS, search=search)
        row = dict(kind="estimated", machine=machine, model=name, dtype=dtype, search=search)
        row |= dict(edges=shape.graph.n_edges, tokens=TOKENS, estimate_gb=need, fits=need <= room)
        rows.append(row | dict(largest_batch=largest_batch(shape, room, search)))
    return pd.DataFrame(rows)


def largest_batch(shape: Shape, room: float, search: Search) -> int:
    """As many pairs at a time as fit into so many GB, by doubling; 0 if not even one does."""
    batch = 0
    while batch < 1024 and memory_estimate(shape, TOKENS, search=search, batch=max(1, 2 * batch)) <= room:
        batch = max(1, 2 * batch)
    return batch


def write_tables(load: Load, write: Write) -> None:
    """Measure what can be measured here, and estimate the rest."""
    write_parts(write, "memory", chain([estimated_rows()], measured_rows()))
