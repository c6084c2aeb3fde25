"""The door of the library: what several chapters, or a reader's own research, use; it loads when first used."""

from importlib import import_module

_MODULES = {
    "models.load": "checkpoints load_model",
    "models.network": "read_network",
    "models.predict": "answer_ids next_token_probabilities",
    "prompts.facts": "relation_pairs",
    "prompts.pairs": "PromptPairs",
    "prompts.relations": "read_relation relation",
    "circuits.ablation": "run_circuit",
    "circuits.evaluation": "completeness cpr_cmd faithfulness",
    "circuits.circuit": "Circuit random_circuit",
    "circuits.graph": "Graph head_place",
    "circuits.metrics": "kl logit_diff",
    "circuits.scores": "Scores",
    "searches.acdc": "acdc",
    "searches.attribution": "eap eap_ig",
    "searches.edge_pruning": "edge_pruning",
    "searches.exact": "exact_scores",
    "components.head_classes": "classify_heads",
    "editing.fine_tuning": "ft_l ft_m",
    "editing.requests": "EditRequest edit_requests",
    "editing.rome": "rome",
    "editing.scores": "evaluate_edits",
    "editing.tracing": "causal_trace",
    "figures.circuit": "circuit_picture",
    "statistics": "bootstrap with_interval",
    "studies.tables": "read_table",
    "atlas.corpus": "exposures",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    """Load a name's module when the name is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"helpers has no {name!r}; it has {', '.join(__all__)}, and its folders have the rest")
    value = globals()[name] = getattr(import_module(f"helpers.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
