"""Graphs as EAP-IG and the MIB benchmark keep them (arXiv 2504.13151): JSON with a score and a flag for each edge.

Names differ in one: what is ``embed`` here is ``input`` there. They know no groups of keys and values, so each head of
a group has a key and a value edge of its own: written, a group's score is shared out evenly, and read, it is their sum.
The sign is the same: they take (corrupt - clean) times the gradient of a loss, minus the logit difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from helpers.checks import Count, checked
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.scores import Scores
from helpers.files import read_json, write_whole

WHAT = "a graph of EAP-IG or MIB"


def _places(graph: Graph) -> Iterator[tuple[str, tuple[int, int], int]]:
    """Every edge by its name there, its (reader, source) here, and how many edges there share that place."""
    size = graph.n_heads // graph.n_groups
    for place in graph.edges.nonzero().tolist():
        source, reader = graph.name(*place).split("->")
        source = "input" if source == "embed" else source
        if ".kv" in reader and size > 1:
            layer, rest = reader.split(".kv")
            group, letter = rest.split("<")
            heads = range(int(group) * size, (int(group) + 1) * size)
            for head in heads:
                yield f"{source}->{layer}.h{head}<{letter}", tuple(place), size
        else:
            yield f"{source}->{reader}", tuple(place), 1


@checked
def write_mib(path: str | Path, found: Scores | Circuit, d_model: Count) -> None:
    """Write scores, or a circuit, as a file that can be submitted to MIB's circuit track.

    Args:
        d_model: the width of the model's residual stream, which such a file states.

    Raises:
        OSError: if the file can't be written; what stood there stays.
    """
    graph = found.graph
    circuit = found if isinstance(found, Circuit) else Circuit.full(graph)
    edges = {}
    for name, place, share in _places(graph):
        edges[name] = {"in_graph": bool(circuit.mask[place])}
        if isinstance(found, Scores):
            edges[name] = {"score": float(found.values[place]) / share} | edges[name]
    used = {end.split("<")[0] for name, edge in edges.items() if edge["in_graph"] for end in name.split("->")}
    names = ["input", *graph.sources[1:], "logits"]
    cfg = {"n_layers": graph.n_layers, "n_heads": graph.n_heads, "parallel_attn_mlp": False, "d_model": d_model}
    nodes = {name: {"in_graph": name in used} for name in names}
    write_whole(path, json.dumps({"cfg": cfg, "nodes": nodes, "edges": edges}) + "\n")


@checked
def read_mib(path: str | Path, graph: Graph | None = None) -> Scores | Circuit:
    """Read such a file: scores, or a circuit if its edges have none.

    Args:
        graph: of the model that the file is about; by default one of the file's size, without grouped queries.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is none of these, or of another model; the message names the file and what is wrong.
    """
    path, raw = read_json(path, WHAT, dict)
    try:
        cfg, edges = raw["cfg"], raw["edges"]
        graph = graph or Graph(cfg["n_layers"], cfg["n_heads"], cfg["n_heads"])
        if (cfg["n_layers"], cfg["n_heads"]) != (graph.n_layers, graph.n_heads):
            raise ValueError(f"it is of {cfg['n_layers']} layers and {cfg['n_heads']} heads, not of {graph}")
        return _read(graph, edges)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} isn't {WHAT}: {type(error).__name__} at {error}") from error
    except ValueError as error:
        raise ValueError(f"{path} isn't {WHAT}: {error}") from error


def _read(graph: Graph, edges: dict[str, dict[str, Any]]) -> Scores | Circuit:
    scored = all("score" in edge for edge in edges.values())
    values, mask, seen = torch.zeros(graph.edges.shape), torch.zeros_like(graph.edges), 0
    for name, place, _ in _places(graph):
        if name not in edges:
            raise ValueError(f"it lacks the edge {name}")
        values[place] += float(edges[name].get("score", 0))
        mask[place] |= bool(edges[name]["in_graph"])
        seen += 1
    if seen != len(edges):
        raise ValueError(f"it has {len(edges)} edges, and {graph} has {seen} there")
    return Scores(graph, values) if scored else Circuit(graph, mask)
