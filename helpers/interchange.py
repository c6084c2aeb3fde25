"""Circuits to and from the JSON files of the EAP-IG library, whose users can bring theirs and take ours.

The file holds ``cfg`` (the model's shape), ``nodes`` and ``edges``, each with ``in_graph`` and, for edges, ``score``.
There the embedding is called ``input``; all other names are the same as ours.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from helpers.graph import Circuit, Graph
from helpers.scores import Scores


def write_eap_ig(path: str | Path, circuit: Circuit, *, d_model: int, scores: Scores | None = None) -> None:
    """Write a circuit, with the scores of all edges if there are any, as EAP-IG's ``Graph.to_json`` does.

    Raises:
        ValueError: for a graph with grouped queries, which that format can't tell.
    """
    graph = circuit.graph
    if graph.n_groups != graph.n_heads:
        raise ValueError("EAP-IG's files know no grouped queries; use Circuit.save for this model")
    shape = {"n_layers": graph.n_layers, "n_heads": graph.n_heads, "parallel_attn_mlp": False, "d_model": d_model}
    used = set(circuit.nodes)
    nodes = {_theirs(name): {"in_graph": name in used} for name in graph.sources} | {"logits": {"in_graph": True}}
    edges = {
        _theirs(graph.name(r, s)): {
            "score": 0.0 if scores is None else float(scores.values[r, s]),
            "in_graph": bool(circuit.mask[r, s]),
        }
        for r, s in graph.edges.nonzero().tolist()
    }
    Path(path).write_text(json.dumps({"cfg": shape, "nodes": nodes, "edges": edges}), encoding="utf-8")


def read_eap_ig(path: str | Path) -> tuple[Circuit, Scores]:
    """Read a circuit and its scores from a file of the EAP-IG library.

    Raises:
        ValueError: if the file is of another kind, or of a model whose attention and MLP run in parallel.
    """
    try:
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
        shape, edges = raw["cfg"], raw["edges"]
        graph = Graph(shape["n_layers"], shape["n_heads"], shape["n_heads"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} isn't a graph that the EAP-IG library wrote: {error!r}") from error
    if shape.get("parallel_attn_mlp"):
        raise ValueError(f"{path} is of a model whose attention and MLP run in parallel; such graphs aren't supported")
    mask, values = torch.zeros_like(graph.edges), torch.zeros(graph.edges.shape)
    for name, info in edges.items():
        place = graph.place("embed" + name.removeprefix("input") if name.startswith("input->") else name)
        mask[place], values[place] = bool(info["in_graph"]), info.get("score") or 0.0
    return Circuit(graph, mask), Scores(graph, values)


def _theirs(name: str) -> str:
    return "input" + name.removeprefix("embed") if name.startswith("embed") else name
