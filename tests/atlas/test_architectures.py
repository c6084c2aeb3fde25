"""Both shapes train with the same code: sizes, which weights go to which optimizer, what is written beside them."""

import pytest
import torch

from helpers import load_model
from helpers.atlas.architectures import inputs_first, new_model, split_parameters, stored_config
from helpers.atlas.optimizer import Muon
from helpers.atlas.training import TrainingPlan, load_or_train_tokenizer, planned_model, save_weights
from helpers.models.load import WEIGHTS

SIZES = {"d_model": 24, "n_layers": 2, "n_heads": 4, "context": 16, "vocabulary_size": 60}


@pytest.fixture(params=["gpt2", "llama"])
def model(request):
    return new_model(request.param, 0, **SIZES)


def test_a_seed_decides_the_weights(model):
    kind = model.config.model_type
    again, other = new_model(kind, 0, **SIZES), new_model(kind, 1, **SIZES)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert not torch.equal(model.get_input_embeddings().weight, other.get_input_embeddings().weight)


def test_llama_shares_keys_and_values_and_has_three_mlp_matrices():
    layer = new_model("llama", 0, **SIZES).model.layers[0]
    assert layer.self_attn.q_proj.weight.shape == (24, 24)
    assert layer.self_attn.k_proj.weight.shape == layer.self_attn.v_proj.weight.shape == (12, 24)
    assert layer.mlp.gate_proj.weight.shape == layer.mlp.up_proj.weight.shape == (64, 24)


def test_llama_has_biases_in_attention_if_asked():
    biased = new_model("llama", 0, **SIZES, attention_bias=True)
    names = {name for name, _ in biased.named_parameters() if name.endswith("bias")}
    assert {name.split(".")[-2] for name in names} == {"q_proj", "k_proj", "v_proj", "o_proj"} and len(names) == 8
    assert not [name for name, _ in new_model("llama", 0, **SIZES).named_parameters() if name.endswith("bias")]
    _, others = split_parameters(biased)
    assert {id(p) for n, p in biased.named_parameters() if n.endswith("bias")} <= {id(p) for p in others}


def test_llamas_queries_and_keys_begin_with_biases_and_its_base_is_the_plans():
    layer = new_model("llama", 0, **SIZES, attention_bias=True).model.layers[0].self_attn
    assert all(p.bias.std() > 0.5 for p in (layer.q_proj, layer.k_proj))
    assert not any(p.bias.any() for p in (layer.v_proj, layer.o_proj))
    slow = new_model("llama", 0, **SIZES, rope_base=100.0).model.rotary_emb.inv_freq
    assert slow[0] == 1 and slow[-1] > new_model("llama", 0, **SIZES).model.rotary_emb.inv_freq[-1]


def test_both_shapes_of_atlas_have_nearly_as_many_weights():
    gpt2, llama = (planned_model(TrainingPlan(architecture=shape)).num_parameters() for shape in ("gpt2", "llama"))
    assert 0.9 < llama / gpt2 < 1.1


def test_every_weight_goes_to_one_optimizer(model):
    matrices, others = split_parameters(model)
    assert {id(p) for p in [*matrices, *others]} == {id(p) for p in model.parameters()}
    assert len(matrices) + len(others) == len(list(model.parameters()))
    layers = model.config.num_hidden_layers
    assert len(matrices) == layers * {"gpt2": 4, "llama": 7}[model.config.model_type]
    assert any(p is model.get_input_embeddings().weight for p in others)


def test_a_step_is_the_same_for_a_weight_and_its_transpose():
    torch.manual_seed(0)
    gradient = torch.randn(6, 15)
    wide, high = torch.nn.Parameter(torch.zeros(6, 15)), torch.nn.Parameter(torch.zeros(15, 6))
    wide.grad, high.grad = gradient, gradient.T.contiguous()
    Muon([wide], lr=0.1).step()
    Muon([high], lr=0.1, inputs_first=False).step()
    torch.testing.assert_close(wide.detach(), high.detach().T)
    assert inputs_first(new_model("gpt2", 0, **SIZES)) and not inputs_first(new_model("llama", 0, **SIZES))


def test_what_is_saved_loads_and_says_the_same(model, tmp_path):
    big = new_model(model.config.model_type, 0, **SIZES | {"vocabulary_size": 8192})
    save_weights(tmp_path / "saved", big, load_or_train_tokenizer(WEIGHTS / "atlas", []))
    assert stored_config(big)["torch_dtype"] == "float16"
    tokens = torch.tensor([[0, 300, 301, 302]])
    logits = load_model(str(tmp_path / "saved"), device="cpu")(tokens)
    torch.testing.assert_close(logits, big.eval()(tokens).logits, atol=2e-3, rtol=0)


def test_another_architecture_is_refused():
    with pytest.raises(ValueError, match="gpt2, llama, not 'mamba'"):
        new_model("mamba", 0, **SIZES)
