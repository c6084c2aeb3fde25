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


def hooks_of(model, source: str) -> tuple[str, int | None]:
    """The TransformerLens hook that holds what a source writes, and the head's index in it."""
    if source == "embed":
        return "hook_embed", None
    layer, _, head = source[1:].partition(".h")
    return (f"blocks.{layer}.attn.hook_result", int(head)) if head else (f"blocks.{layer}.hook_mlp_out", None)


def reader_hook(reader: str) -> tuple[str, int | None]:
    if reader == "logits":
        return "ln_final.hook_in", None
    if reader.startswith("m"):
        return f"blocks.{reader[1:]}.hook_mlp_in", None
    place, letter = reader[1:-1].split("<")
    layer, _, head = place.partition(".h")
    return f"blocks.{layer}.attn.hook_{letter}_input", int(head)


def cut_by_hooks(model, pairs, edge: str) -> torch.Tensor:
    """The logits with an edge cut by hooks: the corrupt write in place of the clean one, at one reader."""
    source, reader = edge.split("->")
    name, head = hooks_of(model, source)
    (_, clean), (_, corrupt) = (model.run_with_cache(t) for t in (pairs.clean_tokens, pairs.corrupt_tokens))
    difference = clean[name] - corrupt[name]
    if head is not None:
        difference = difference[:, :, head]
    size, group = model.cfg.n_heads // Graph.from_model(model).n_groups, None
    if ".kv" in reader:
        group = int(reader.split(".kv")[1][0])
        reader = reader.replace(f".kv{group}", f".h{group}")
    target, own = reader_hook(reader)

    def cut(value, hook):
        value = value.clone()
        if own is None:
            value -= difference
        elif value.shape[2] == model.cfg.n_heads and group is not None:  # inputs are split by query head
            value[:, :, group * size : (group + 1) * size] -= difference[:, :, None]
        else:
            value[:, :, own] -= difference
        return value

    return model.run_with_hooks(pairs.clean_tokens, fwd_hooks=[(target, cut)])[:, -1]


def their_name(node, graph) -> str:
    """Our name of a TransformerLens attribution node."""
    if node.kind in ("q_input", "k_input", "v_input"):
        return f"a{node.layer}.h{node.head}<{node.kind[0]}>"
    return {
        "embed": "embed", "logits": "logits", "attn_head_out": f"a{node.layer}.h{node.head}",
        "mlp_out": f"m{node.layer}", "mlp_in": f"m{node.layer}",
    }[node.kind]  # fmt: skip
