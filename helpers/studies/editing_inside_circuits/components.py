"""Weights of heads and MLPs: those that a circuit of edges names, others, and as many of the same types anywhere."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.editing.weights import Weights, put_weights, weights_restored
from helpers.models.network import Layer, read_network
from helpers.studies.editing_inside_circuits.masks import ParameterMask, maskable, split_like, weight_type


def components_of(circuit: Circuit) -> tuple[str, ...]:
    """The heads and MLPs that a circuit's edges name, in the model's order."""
    named = set(circuit.nodes)
    return tuple(name for name in circuit.graph.sources[1:] if name in named)


def other_components(graph: Graph, components: Iterable[str], seed: int = 0) -> tuple[str, ...]:
    """As many other heads and as many other MLPs, drawn at random.

    Raises:
        ValueError: if there aren't as many others.
    """
    components, rng, drawn = set(components), random.Random(seed), []
    for kind in ("a", "m"):
        inside = [name for name in graph.sources[1:] if name[0] == kind and name in components]
        outside = [name for name in graph.sources[1:] if name[0] == kind and name not in components]
        if len(outside) < len(inside):
            what = "heads" if kind == "a" else "MLPs"
            raise ValueError(f"{len(inside)} {what} are inside and only {len(outside)} outside; take a smaller circuit")
        drawn += rng.sample(outside, len(inside))
    return tuple(sorted(drawn, key=graph.sources.index))


def component_mask(model, components: Iterable[str]) -> ParameterMask:
    """The matrices of some heads and MLPs, without biases and norms.

    Keys and values that several query heads share belong to each of them. Which entries of the model's tensors a
    head has is read from the model itself: every weight of a layer gets its own number for a moment.
    """
    kept = {name: torch.zeros_like(w, dtype=torch.bool) for name, w in maskable(model).items()}
    of_layer = defaultdict(list)
    for component in components:
        of_layer[int(component[1:].partition(".")[0])].append(component)
    for layer, names in of_layer.items():
        places = Weights(model, tuple(name for name in kept if name.split(".")[2] == str(layer)))
        parts = dict(places)
        total = sum(part.numel() for part in parts.values())
        with weights_restored(places):
            put_weights(places, split_like(torch.arange(total, device=model.W_E.device).to(model.W_E.dtype), parts))
            found = read_network(model).layers[layer]
            numbers = torch.cat([matrix.flatten() for name in names for matrix in _matrices(found, name)])
            flat = torch.zeros(total, dtype=torch.bool, device=numbers.device)
            flat[numbers.long()] = True
        kept |= split_like(flat, parts)
    return ParameterMask(kept)


def _matrices(layer: Layer, component: str) -> Iterator[Tensor]:
    if component.startswith("m"):
        yield from (W for W in (layer.W_in, layer.W_gate, layer.W_out) if W is not None)
        return
    head = int(component.partition(".h")[2])
    group = head * len(layer.W_K) // len(layer.W_Q)
    yield from (layer.W_Q[head], layer.W_O[head], layer.W_K[group], layer.W_V[group])


def same_types(mask: ParameterMask, seed: int = 0) -> ParameterMask:
    """As many weights of each type (`weight_type`), drawn at random from the whole model."""
    generator, kept = torch.Generator().manual_seed(seed), {}
    by_type = defaultdict(dict)
    for name, part in mask.kept.items():
        by_type[weight_type(name)][name] = part
    for parts in by_type.values():
        wanted, total = (
            sum(int(n) for n in ns) for ns in zip(*((p.sum(), p.numel()) for p in parts.values()), strict=True)
        )
        flat = torch.zeros(total, dtype=torch.bool)
        flat[torch.randperm(total, generator=generator)[:wanted]] = True
        kept |= split_like(flat.to(next(iter(parts.values())).device), parts)
    return ParameterMask({name: kept[name] for name in mask.kept})
