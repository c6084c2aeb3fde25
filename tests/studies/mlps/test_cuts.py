"""MLPs cut everywhere are circuits without their edges; cut at some positions they are patched hooks."""

from inspect import unwrap

import pytest
import torch

from helpers import Circuit, Graph, run_circuit
from helpers.studies.mlps.cuts import cut_sublayers, split_positions

AT = ("subject_last", "subject_rest", "last", "other")


def without(model, *sources: str) -> Circuit:
    graph = Graph.from_model(model)
    mask = graph.edges.clone()
    mask[:, [graph.sources.index(name) for name in sources]] = False
    return Circuit(graph, mask)


@pytest.mark.parametrize("ablation", ["corrupt", "mean", "zero"])
def test_everywhere_is_a_circuit_without_its_edges(small, ablation):
    model, pairs = small
    for n in range(model.cfg.n_layers):
        circuit = run_circuit(model, without(model, f"m{n}"), pairs, ablation)
        assert torch.allclose(circuit, cut_sublayers(model, pairs, [(n, "MLP")], ablation=ablation), atol=1e-3)
        heads = [f"a{n}.h{h}" for h in range(model.cfg.n_heads)]
        circuit = run_circuit(model, without(model, *heads), pairs, ablation)
        assert torch.allclose(circuit, cut_sublayers(model, pairs, [(n, "attention")], ablation=ablation), atol=1e-3)


@pytest.mark.parametrize("at", AT)
def test_at_some_positions_it_is_a_patched_hook(small, at):
    model, pairs = small
    for _, group in pairs.groups():
        _, cache = model.run_with_cache(group.corrupt_tokens)
        mask = split_positions(group, at)[..., None]
        hooks = [
            (f"blocks.{n}.hook_mlp_out", lambda value, hook: torch.where(mask, cache[hook.name], value))  # noqa: B023
            for n in (0, 1)
        ]
        with torch.no_grad():
            theirs = model.run_with_hooks(group.clean_tokens, fwd_hooks=hooks)[:, -1]
        ours = cut_sublayers(model, group, [(0, "MLP"), (1, "MLP")], at=at)
        assert torch.allclose(ours, theirs, atol=1e-3)


def test_positions_are_split_without_rest(atlas):
    from helpers import relation_pairs

    for name in ("person_hometown", "country_capital"):
        for _, group in relation_pairs(atlas, name, 8).groups():
            parts = torch.stack([split_positions(group, at) for at in AT])
            assert (parts.sum(0) == 1).all()
            assert (split_positions(group, "subject_last").sum(-1) == 1).all()
            assert split_positions(group, "everywhere").all()


def test_bad_inputs(small):
    model, pairs = small
    with pytest.raises(ValueError, match="no sublayer"):
        cut_sublayers(model, pairs, [(9, "MLP")])
    with pytest.raises(ValueError, match="unknown ablation 'noise'; choose from"):
        unwrap(cut_sublayers)(model, pairs, [(0, "MLP")], ablation="noise")
    with pytest.raises(ValueError, match="unknown positions 'first'; choose from everywhere, subject_last"):
        unwrap(split_positions)(pairs.groups()[0][1], "first")
