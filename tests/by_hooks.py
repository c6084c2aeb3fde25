"""What TransformerLens says, by its hooks and its attribution: the other route that measurements are compared with."""

import pandas as pd
import torch

from helpers import Circuit, Graph, run_circuit


def as_table(frame: pd.DataFrame, column: str, graph: Graph) -> torch.Tensor:
    return torch.tensor(frame[column].to_numpy()).float().view(graph.n_layers, graph.n_heads)


def final_scale(model, resid: torch.Tensor) -> torch.Tensor:
    norm = model.ln_final.original_component
    centred = isinstance(norm, torch.nn.LayerNorm)
    resid = resid - resid.mean() if centred else resid
    return (resid.pow(2).mean() + (norm.eps if centred else norm.variance_epsilon)).sqrt()


def read_by_hand(model, write, resid, ids) -> torch.Tensor:
    """What a write adds to the logits of some tokens, against the mean over the vocabulary."""
    if isinstance(model.ln_final.original_component, torch.nn.LayerNorm):
        write = write - write.mean()
    logits = (write / final_scale(model, resid) * model.ln_final.original_component.weight) @ model.W_U
    return logits[ids] - logits.mean()


def cut_by_circuit(model, pairs, head: str, ablation: str) -> torch.Tensor:
    graph = Graph.from_model(model)
    mask = graph.edges.clone()
    mask[:, graph.sources.index(head)] = False
    return run_circuit(model, Circuit(graph, mask), pairs, ablation)


def their_name(node, graph) -> str:
    """Our name of a TransformerLens attribution node."""
    if node.kind in ("q_input", "k_input", "v_input"):
        return f"a{node.layer}.h{node.head}<{node.kind[0]}>"
    return {
        "embed": "embed", "logits": "logits", "attn_head_out": f"a{node.layer}.h{node.head}",
        "mlp_out": f"m{node.layer}", "mlp_in": f"m{node.layer}",
    }[node.kind]  # fmt: skip
