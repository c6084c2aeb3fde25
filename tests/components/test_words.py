"""What a source says: checked against TransformerLens's own activations."""

import pytest
import torch
from small_models import gpt2_shaped, llama_shaped
from transformers import AutoTokenizer

from helpers.circuits.graph import Graph
from helpers.components.lens import written_words
from helpers.models.load import WEIGHTS, load_model
from helpers.prompts.pairs import PromptPairs


@pytest.fixture(scope="module", params=[gpt2_shaped, llama_shaped], ids=["gpt2", "llama"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    tiny = request.param()
    with torch.no_grad():
        for name, weights in tiny.named_parameters():
            if "norm" in name or "ln_" in name:  # or a norm's weight could be forgotten unseen
                weights.add_(torch.randn_like(weights) * 0.3)
    tiny.save_pretrained(folder)
    AutoTokenizer.from_pretrained(WEIGHTS / "atlas").save_pretrained(folder)
    return load_model(str(folder), device="cpu")


@pytest.fixture(scope="module")
def pairs(model) -> PromptPairs:
    clean = ("The capital of France is", "The capital of Spain is", "The currency of the big country France is")
    corrupt = ("The capital of Spain is", "The capital of France is", "The currency of the big country Spain is")
    return PromptPairs.from_prompts(model, clean, corrupt, [" a"] * 3, [" the"] * 3, first_token=True)


def by_hand(model, pairs: PromptPairs, source: str) -> torch.Tensor:
    """The mean over prompts, one at a time, with TransformerLens's activations and the norm written out."""
    total = torch.zeros(model.cfg.d_vocab)
    for ids in pairs.clean_ids:
        _, cache = model.run_with_cache(torch.tensor([ids]))
        layer, _, head = source[1:].partition(".h")
        if source == "embed":
            write = cache["blocks.0.hook_resid_pre"][0, -1]
        elif head:
            write = cache[f"blocks.{layer}.attn.hook_result"][0, -1, int(head)]
        else:
            bias = getattr(model.blocks[int(layer)].mlp, "b_out", None)
            write = cache[f"blocks.{layer}.hook_mlp_out"][0, -1] - (0 if bias is None else bias)
        resid = cache[f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"][0, -1]
        norm = model.ln_final.original_component
        if isinstance(norm, torch.nn.LayerNorm):
            write, resid = write - write.mean(), resid - resid.mean()
        eps = norm.eps if isinstance(norm, torch.nn.LayerNorm) else norm.variance_epsilon
        total += write / (resid.pow(2).mean() + eps).sqrt() * norm.weight @ model.W_U
    return total / len(pairs)


def test_words_are_what_a_hand_computation_gives(model, pairs):
    sources = Graph.from_model(model).sources
    words = written_words(model, pairs, sources, k=4)
    assert list(words) == list(sources)
    for source in sources:
        best = by_hand(model, pairs, source).topk(4).indices.tolist()
        assert words[source] == [model.tokenizer.decode([i]) for i in best], source
    assert len({tuple(w) for w in words.values()}) > len(sources) / 2, "sources differ"


def test_only_the_asked_nodes_in_their_order(model, pairs):
    words = written_words(model, pairs, ["m1", "a0.h2"], k=2)
    assert list(words) == ["m1", "a0.h2"] and all(len(w) == 2 for w in words.values())
    assert words["m1"] == written_words(model, pairs, ["m1"], k=5)["m1"][:2]


def test_wrong_input_is_refused(model, pairs):
    with pytest.raises(ValueError, match="'a9.h0' is no source; sources are embed, a0.h0"):
        written_words(model, pairs, ["m0", "a9.h0"])
    with pytest.raises(ValueError, match="not 0"):
        written_words(model, pairs, ["m0"], k=0)
