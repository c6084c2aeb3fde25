"""A masked run that is changed edge by edge: the same with and without the positions that nothing reads any more."""

import pytest
import torch

from helpers.circuits.ablation import scenes
from helpers.circuits.graph import Graph
from helpers.circuits.incremental import MaskedRun


def runs(model, pairs, kept):
    """The same run twice; both share what is kept."""
    graph = Graph.from_model(model)
    _, scene = next(scenes(model, pairs, "corrupt"))
    return MaskedRun(scene, graph, kept), MaskedRun(scene, graph, kept)


@torch.no_grad()
def test_trimmed_positions_are_never_missed(small):
    model, pairs = small
    graph = Graph.from_model(model)
    generator = torch.Generator().manual_seed(0)
    for layer in reversed(range(graph.n_layers)):
        kept = graph.edges.clone()
        keys = [row for row, name in enumerate(graph.readers) if name.endswith(("<k>", "<v>"))]
        kept[[row for row in keys if int(graph.readers[row][1:].split(".")[0]) >= layer]] = False
        kept &= torch.rand(kept.shape, generator=generator) < 0.8
        whole, trimmed = runs(model, pairs, kept)
        trimmed.trim()
        narrow = [row for row, state in enumerate(trimmed.inputs) if state.shape[1] == 1]
        assert len(graph.readers) - 1 in narrow and len(narrow) > 1
        for _ in range(8):
            reader = int(torch.randint(len(graph.readers), (), generator=generator))
            sources = graph.edges[reader].nonzero().flatten()
            expected, got = (run.trial(reader, run.cuts(reader, sources)) for run in (whole, trimmed))
            assert got == pytest.approx(expected, abs=1e-5)
            for run in (whole, trimmed):
                run.commit(reader, run.cuts(reader, sources[:2])[-1])
