"""Train Atlas: a few layers in the shape of GPT-2 or Llama, from scratch, on a corpus of which every sentence is known.

One pass over the corpus, on one CPU core in one to two hours. A run can be stopped and started again at any time: it
keeps its state in its folder and goes on from there with the same result.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from helpers.atlas.architectures import Architecture, inputs_first, new_model, split_parameters, stored_config
from helpers.atlas.corpora import Corpus, documents, words_of_world
from helpers.atlas.corpus import Document
from helpers.atlas.optimizer import Muon
from helpers.atlas.tokenizer import BOS, VOCABULARY_SIZE, train_tokenizer
from helpers.files import write_whole
from helpers.prompts.relations import Relation

IGNORED = -100


@dataclass(frozen=True)
class TrainingPlan:
    """What one training run does; two runs with the same plan on the same machine give the same weights."""

    seed: int = 0
    architecture: Architecture = "gpt2"
    corpus: Corpus = "first"
    more_repeats: bool = False  # in the second corpus (`second_corpus.MORE_REPEATS`)
    d_model: int = 192
    n_layers: int = 6
    n_heads: int = 8
    context: int = 128
    rows_per_step: int = 32
    attention_bias: bool = False  # in the shape of Llama; GPT-2 always has it
    rope_base: float = 10_000.0  # in the shape of Llama; GPT-2 has no rotary positions
    muon_lr: float = 0.03
    adam_lr: float = 6e-3
    weight_decay: float = 0.01  # of the blocks' matrices
    warmup_steps: float = 37.5
    decay: float = 0.5
    last_course_rate: float = 0.2
    save_every: int = 100
    checkpoints: tuple[int, ...] = ()


SECOND = {"d_model": 144, "n_layers": 8, "n_heads": 6, "weight_decay": 0.03}
STEPS = (200, 300, 400, 600, 800, 1000, 1400, 2000)
# The runs that the package ships.
RUNS = {
    "atlas": TrainingPlan(seed=0, checkpoints=(50, 100, 200, 400, 800)),
    "atlas-seed1": TrainingPlan(seed=1),
    "atlas-llama": TrainingPlan(seed=0, architecture="llama", checkpoints=(300, 1000, 1300, 1700)),
    "atlas2": TrainingPlan(corpus="profiles", checkpoints=STEPS, **SECOND),
    "atlas2-seed1": TrainingPlan(seed=1, corpus="profiles", checkpoints=(400, 800, 1400), **SECOND),
    "atlas2-plain": TrainingPlan(corpus="plain", **SECOND),
    "atlas2-llama": TrainingPlan(
        architecture="llama", corpus="profiles", more_repeats=True, attention_bias=True, rope_base=100.0, **SECOND
    ),
    "atlas2-circle": TrainingPlan(corpus="circle", decay=1.0, **SECOND),
    "atlas2-circle-seed1": TrainingPlan(seed=1, corpus="circle", decay=1.0, **SECOND),
}


@dataclass(frozen=True)
class Rows:
    """Documents packed into rows of one context length; a document sees itself only."""

    tokens: Int[Tensor, "row pos"]
    targets: Int[Tensor, "row pos"]
    document: Int[Tensor, "row pos"]
    position: Int[Tensor, "row pos"]


def encode(documents: Iterable[Document], tokenizer: Tokenizer) -> list[list[int]]:
    """Token ids of each document, without the BOS token."""
    documents = list(documents)
    encoded = tokenizer.encode_batch([d.text for d in documents], add_special_tokens=False)
    return [list(d.tokens) or e.ids for d, e in zip(documents, encoded, strict=True)]


def pack(sequences: Iterable[list[int]], context: int, bos: int, lookahead: int = 64) -> Rows:
    """Fill rows with documents in order, a shorter one of the next few where the next doesn't fit."""
    waiting = [ids[: context - 1] for ids in sequences][::-1]
    rows: list[list[list[int]]] = []
    while waiting:
        row, room = [], context
        while True:
            fitting = (
                i for i in range(len(waiting) - 1, max(-1, len(waiting) - 1 - lookahead), -1) if len(waiting[i]) < room
            )
            index = next(fitting, None)
            if index is None:
                break
            row.append(waiting.pop(index))
            room -= len(row[-1]) + 1
        rows.append(row)
    shape = (len(rows), context)
    tokens, targets = torch.full(shape, bos), torch.full(shape, IGNORED)
    document, position = torch.full(shape, -1), torch.zeros(shape, dtype=torch.long)
    for r, row in enumerate(rows):
        start = 0
        for number, ids in enumerate(row):
            end = start + len(ids) + 1
            tokens[r, start:end] = torch.tensor([bos, *ids])
            targets[r, start:end] = torch.tensor([*ids, bos])
            document[r, start:end] = number
            position[r, start:end] = torch.arange(end - start)
            start = end
    return Rows(tokens, targets, document, position)


def attention_mask(document: Int[Tensor, "row pos"]) -> Float[Tensor, "row 1 pos pos"]:
    """Zero where a position may look (back, inside its own document), minus infinity (nearly) elsewhere."""
    pos = document.shape[1]
    same: Bool[Tensor, "row pos pos"] = document[:, :, None] == document[:, None, :]
    allowed = same & torch.ones(pos, pos, dtype=torch.bool, device=document.device).tril()
    return torch.zeros(allowed.shape, device=document.device).masked_fill(~allowed, -1e9)[:, None]


def row_losses(model: PreTrainedModel, rows: Rows, index: slice | Tensor) -> Float[Tensor, "row pos"]:
    """Cross-entropy in nats at each position; 0 where there is no target."""
    device = next(model.parameters()).device
    part = [t[index].to(device) for t in (rows.tokens, rows.targets, rows.document, rows.position)]
    tokens, targets, document, position = part
    logits = model(input_ids=tokens, position_ids=position, attention_mask=attention_mask(document)).logits
    return cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=IGNORED).view_as(
        targets
    )


def planned_model(plan: TrainingPlan, vocabulary_size: int = VOCABULARY_SIZE, bos: int = 0) -> PreTrainedModel:
    """The model with which a plan's run begins: random weights, decided by the plan's seed."""
    names = ("d_model", "n_layers", "n_heads", "context", "attention_bias", "rope_base")
    shape = {name: getattr(plan, name) for name in names}
    return new_model(plan.architecture, plan.seed, **shape, vocabulary_size=vocabulary_size, bos=bos)


def optimizers(model: PreTrainedModel, plan: TrainingPlan) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' weight matrices, Adam for embeddings, norms and biases."""
    matrices, others = split_parameters(model)
    adam = torch.optim.AdamW(others, lr=plan.adam_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return [Muon(matrices, lr=plan.muon_lr, weight_decay=plan.weight_decay, inputs_first=inputs_first(model)), adam]


def rate(step: int, steps: int, last: int, plan: TrainingPlan) -> float:
    """Factor on the learning rates: a linear rise, a plateau, a linear fall to zero; then a small fall for the course.

    Args:
        steps: steps before the last course.
        last: steps of the last course.
    """
    if step >= steps:
        return plan.last_course_rate * (steps + last - step) / last
    rise = (step + 1) / plan.warmup_steps
    fall = (steps - step) / max(1, plan.decay * steps)
    return min(1.0, rise, fall)


def batches(parts: Sequence[Rows], size: int) -> tuple[Rows, list[slice]]:
    """All parts' rows in one, and the slices of each step's rows; a step never spans two parts."""
    fields = ("tokens", "targets", "document", "position")
    rows = Rows(*(torch.cat([getattr(part, name) for part in parts]) for name in fields))
    slices, start = [], 0
    for part in parts:
        end = start + len(part.tokens)
        slices += [slice(i, min(i + size, end)) for i in range(start, end, size)]
        start = end
    return rows, slices


def save_state(folder: Path, step: int, model: PreTrainedModel, opts: list[torch.optim.Optimizer]) -> None:
    """Write everything a later `train` needs to go on; a kill while writing leaves the previous state whole."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    for i, opt in enumerate(opts):
        for j, state in opt.state_dict()["state"].items():
            tensors |= {f"opt.{i}.{j}.{key}": value for key, value in state.items()}
    whole = {k: v.contiguous() for k, v in tensors.items()}
    write_whole(folder / "state.safetensors", lambda path: save_file(whole, path, metadata={"step": str(step)}))


def load_state(folder: Path, model: PreTrainedModel, opts: list[torch.optim.Optimizer]) -> int:
    """Load what `save_state` wrote, if anything; returns the number of steps done."""
    path = folder / "state.safetensors"
    if not path.exists():
        return 0
    tensors = load_file(path)
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    model.load_state_dict(weights, strict=False)
    for i, opt in enumerate(opts):
        raw, state = opt.state_dict(), {}
        for name, value in tensors.items():
            if name.startswith(f"opt.{i}."):
                _, _, j, key = name.split(".")
                state.setdefault(int(j), {})[key] = value
        opt.load_state_dict({"state": state, "param_groups": raw["param_groups"]})
    with safe_open(path, "pt") as file:
        return int(file.metadata()["step"])


def save_weights(folder: Path, model: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Write a plain Hugging Face directory with float16 weights."""
    weights = {k: v.half().contiguous().cpu() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    write_whole(folder / "model.safetensors", lambda path: save_file(weights, path, metadata={"format": "pt"}))
    write_whole(folder / "config.json", json.dumps(stored_config(model), indent=2) + "\n")
    write_whole(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    length = model.config.max_position_embeddings
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": length}
    settings |= dict.fromkeys(("bos_token", "eos_token", "unk_token"), BOS)
    write_whole(folder / "tokenizer_config.json", json.dumps(settings, indent=2) + "\n")


def load_or_train_tokenizer(folder: Path, documents: Iterable[Document], known: Sequence[Relation] = ()) -> Tokenizer:
    """The tokenizer in ``folder``; trained on the documents first if there is none (``known``: `pinned_words`)."""
    path = folder / "tokenizer.json"
    if not path.exists():
        texts = (d.text for d in documents if d.text and not d.course)
        write_whole(path, train_tokenizer(texts, known=known).to_str(pretty=True))
    return Tokenizer.from_file(str(path))


def train(
    plan: TrainingPlan,
    folder: Path,
    *,
    tokenizer_folder: Path | None = None,
    device: str | None = None,
    max_steps: int | None = None,
) -> Path:
    """Train a model by ``plan`` in ``folder``, going on where an earlier call stopped.

    Args:
        folder: for the state, the checkpoints (``step<N>``) and the trained model (``final``).
        tokenizer_folder: where the tokenizer is or will be; all seeds share one.
        device: ``"cpu"``, ``"cuda"``; the default takes a GPU if there is one.
        max_steps: stop after so many steps of the plan (for tests and trials).

    Returns:
        The folder of the trained model, a Hugging Face directory.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    folder.mkdir(parents=True, exist_ok=True)
    made = documents(plan.corpus, plan.seed, range(257, VOCABULARY_SIZE), plan.more_repeats)
    tokenizer = load_or_train_tokenizer(tokenizer_folder or folder, made, words_of_world(plan.corpus))
    bos = tokenizer.token_to_id(BOS)
    main, course = ([d for d in made if (d.course == "last") == last] for last in (False, True))
    parts = [pack(encode(part, tokenizer), plan.context, bos) for part in (main, course) if part]
    rows, slices = batches(parts, plan.rows_per_step)
    model = planned_model(plan, tokenizer.get_vocab_size(), bos).to(device)
    opts = optimizers(model, plan)
    steps, before_course = len(slices), math.ceil(len(parts[0].tokens) / plan.rows_per_step)
    done = load_state(folder, model, opts)
    with (folder / "loss.csv").open("a") as losses:
        for step in tqdm(range(done, min(steps, max_steps or steps)), initial=done, total=steps):
            started = time.perf_counter()
            for opt, lr in zip(opts, (plan.muon_lr, plan.adam_lr), strict=True):
                opt.param_groups[0]["lr"] = lr * rate(step, before_course, steps - before_course, plan)
            index = slices[step]
            loss = row_losses(model, rows, index).sum() / (rows.targets[index] != IGNORED).sum()
            loss.backward()
            for opt in opts:
                opt.step()
                opt.zero_grad()
            losses.write(f"{step},{loss.item():.4f},{time.perf_counter() - started:.3f}\n")
            losses.flush()
            if (step + 1) % plan.save_every == 0:
                save_state(folder, step + 1, model, opts)
            if step + 1 in plan.checkpoints:
                save_weights(folder / f"step{step + 1}", model, tokenizer)
    save_weights(folder / "final", model, tokenizer)
    hardware = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} CPU threads"
    result = asdict(plan) | {"steps": steps, "rows": len(rows.tokens), "hardware": hardware}
    write_whole(folder / "plan.json", json.dumps(result, indent=2) + "\n")
    return folder / "final"
