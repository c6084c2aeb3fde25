"""Every field of a configuration that changes the forward pass: our run is the model's own, or the load says no."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import gpt2_shaped, llama_shaped
from transformers import GPT2LMHeadModel, LlamaForCausalLM

from helpers import load_model
from helpers.models.load import model_folder
from helpers.models.network import read_network
from helpers.models.original import check_law, read_tokenizer, said
from helpers.models.run import resume

ROPE = {"rope_theta": 1e4}
STRETCHED = {**ROPE, "factor": 4.0, "original_max_position_embeddings": 8}
LLAMA3 = {**STRETCHED, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
COVERED = {
    "gpt2": [
        *({"activation_function": name} for name in ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "tanh")),
        *({"activation_function": name} for name in ("quick_gelu", "gelu_fast", "mish")),
        {"n_inner": 48},
        {"activation_function": "prelu"},
        {"layer_norm_epsilon": 0.1},
        {"tie_word_embeddings": False},
        {"reorder_and_upcast_attn": True},
        {"attn_pdrop": 0.5, "resid_pdrop": 0.5, "embd_pdrop": 0.5},
        {"n_head": 1},
    ],
    "llama": [
        *({"hidden_act": name} for name in ("silu", "gelu", "gelu_new", "relu")),
        {"attention_bias": True},
        {"head_dim": 16},
        {"num_key_value_heads": 1},
        {"num_key_value_heads": 4},
        {"rms_norm_eps": 0.1},
        {"tie_word_embeddings": True},
        {"pretraining_tp": 2},
        {"attention_dropout": 0.5},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}},
        {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5, **ROPE}},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, **ROPE}},
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, **ROPE}},
        {"rope_parameters": {"rope_type": "yarn", **STRETCHED}},
        {"rope_parameters": {"rope_type": "yarn", "attention_factor": 2.0, **STRETCHED}},
        {"rope_parameters": {"rope_type": "llama3", **LLAMA3}},
        {"rope_parameters": {"rope_type": "proportional", "partial_rotary_factor": 0.5, **ROPE}},
        {"hidden_act": "xielu"},
    ],
}
LONGROPE = {**STRETCHED, "short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
REFUSED = {
    "gpt2": [
        {"scale_attn_weights": False},
        {"scale_attn_by_inverse_layer_idx": True},
        {"add_cross_attention": True},
        {"is_causal": False},
        {"return_dict": False},
    ],
    "llama": [
        {"mlp_bias": True},
        {"is_causal": False},
        {"rope_parameters": {"rope_type": "linear", "partial_rotary_factor": 0.5, "factor": 2.0, **ROPE}},
        {
            "rope_parameters": {
                "rope_type": "longrope",
                "short_factor": [1.0] * 4,
                "long_factor": [2.0] * 4,
                **STRETCHED,
            }
        },
    ],
}


def cases(table):
    return [pytest.param(kind, fields, id=f"{kind}-{fields}") for kind, rows in table.items() for fields in rows]


def saved(kind: str, fields: dict, folder) -> object:
    """A model of this configuration, its weights large enough to matter, in a folder; the model itself."""
    torch.manual_seed(0)
    config = {"gpt2": gpt2_shaped, "llama": llama_shaped}[kind]().config
    config = type(config)(**(config.to_dict() | fields))
    model = {"gpt2": GPT2LMHeadModel, "llama": LlamaForCausalLM}[kind](config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.mul_(4) if parameter.ndim == 2 else None
            parameter.normal_(std=0.2) if name.endswith("bias") else None
            parameter.add_(0.3) if ".act" in name else None  # activations that are learned
    model.save_pretrained(folder)
    read_tokenizer(model_folder("atlas")).save_pretrained(folder)
    return model


@pytest.mark.parametrize(("kind", "fields"), cases(COVERED))
def test_all_edges_are_the_model(kind, fields, tmp_path):
    model = saved(kind, fields, tmp_path)
    bridge = load_model(tmp_path)
    net = read_network(bridge)
    ids = torch.randint(1, 8000, (2, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(ids).logits[:, -1]
        assert (resume(net, net.embed(ids)) - expected).abs().max() < 1e-4
        assert (bridge(ids)[:, -1] - expected).abs().max() < 1e-4


@pytest.mark.parametrize(("kind", "fields"), cases(REFUSED))
def test_what_is_not_covered_is_refused_by_name(kind, fields, tmp_path):
    saved(kind, fields, tmp_path)
    option = next(iter(fields))
    if rope := fields.get("rope_parameters"):
        option = "rope_type=longrope" if rope["rope_type"] == "longrope" else "partial_rotary_factor=0.5"
    with pytest.raises(ValueError, match=f"circuits don't cover {option}"):
        load_model(tmp_path)


@pytest.fixture
def folder(tmp_path):
    saved("gpt2", {}, tmp_path)
    return tmp_path


def change_weights(folder, change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_a_missing_tensor_is_no_random_one(folder):
    change_weights(folder, lambda w: w.pop("transformer.h.1.mlp.c_fc.weight"))
    with pytest.raises(ValueError, match=r"don't fit its config.json; missing are transformer.h.1.mlp.c_fc.weight"):
        load_model(folder)


def test_weights_of_another_model_are_refused(folder):
    change_weights(folder, lambda w: w.update({"transformer.h.7.ln_1.weight": torch.ones(32)}))
    with pytest.raises(ValueError, match=r"unexpected are transformer.h.7.ln_1.weight"):
        load_model(folder)


@pytest.mark.parametrize(
    "field, value, said",
    [
        ("n_embd", 64, "mismatched are .*transformer.h.0.attn.c_attn.bias"),
        ("n_positions", 16, "mismatched are transformer.wpe.weight"),
        ("n_layer", 1, "unexpected are transformer.h.1.attn.c_attn.weight"),
        ("n_layer", 3, "missing are transformer.h.2.attn.c_attn.bias"),
        ("n_layer", "two", "config.json can't be read"),
        ("n_head", 5, "weights can't be read"),
        ("model_type", "gpt9", "config.json can't be read"),
        ("activation_function", "nonsense", "there is no activation_function 'nonsense'; correct its config.json"),
        ("layer_norm_epsilon", float("nan"), "its logits aren't finite numbers"),
        ("quantization_config", {"quant_method": "gptq", "bits": 4}, "weights can't be read"),
    ],
)
def test_a_configuration_that_does_not_fit_is_told(field, value, said, folder):
    change_config(folder, **{field: value})
    with pytest.raises(ValueError, match=said) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def change_config(folder, **fields) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields))


def test_code_that_comes_with_a_model_is_not_run_and_nobody_is_asked(folder, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question on the terminal"))
    change_config(folder, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    with pytest.raises(ValueError, match="config.json can't be read"):
        load_model(folder)


def test_what_is_computed_anyway_may_stand_in_old_files(folder):
    change_weights(folder, lambda w: w.update({"transformer.h.0.attn.masked_bias": torch.tensor(-1e4)}))
    assert load_model(folder).cfg.n_layers == 2


def test_the_law_is_that_all_edges_are_the_original(folder):
    bridge = load_model(folder)
    expected = said(bridge.original_model, "it")
    check_law(bridge, "it", expected)
    with pytest.raises(ValueError, match="it: it computes something that circuits don't cover"):
        check_law(bridge, "it", expected * 1.01)
    with pytest.raises(ValueError, match="it: its logits aren't finite numbers"):
        check_law(bridge, "it", expected * torch.nan)


def test_a_model_is_where_it_was_asked_to_be(folder, monkeypatch):
    moved = []
    monkeypatch.setattr(GPT2LMHeadModel, "to", lambda model, where: moved.append(where) or model)
    load_model(folder, device="cpu:0")
    load_model("atlas")
    assert moved == ["cpu:0", "cpu"]


def test_numbers_that_are_none_are_refused(folder):
    change_weights(folder, lambda w: w["transformer.wpe.weight"][50].fill_(torch.inf))  # no short prompt gets there
    with pytest.raises(ValueError, match="transformer.wpe.weight has entries that aren't finite numbers"):
        load_model(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1, 2]"])
def test_damaged_files_are_told_in_a_sentence(file, content, folder):
    (folder / file).write_bytes(content)
    with pytest.raises(ValueError, match="(config.json|tokenizer|weights) can't be read") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)


def test_paths_that_lead_to_no_model(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load_model(f"~/{folder.name}").cfg.n_layers == 2
    for file in (folder / "model.safetensors", "model.gguf", folder / "other.gguf"):
        with pytest.raises(ValueError, match="is a file; give the folder"):
            load_model(file)
    for path in (folder / "none", "./none", "~/none", "~nobody/none", "", "a/b/c", "two words", "a\0b"):
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            load_model(path)
    with pytest.raises(ValueError, match="there is no device 'quantum' here; leave it out, or take 'cpu'"):
        load_model("atlas", device="quantum")


def test_what_begins_a_text_is_a_property_of_the_model(folder):
    model = load_model(folder, begins_with="!")
    begin = model.tokenizer.bos_token_id
    assert model.tokenizer.decode([begin]) == "!" and model.to_tokens("The capital")[0, 0] == begin
    assert load_model(folder).tokenizer.bos_token == "<|endoftext|>"
    with pytest.raises(ValueError, match="no token 'no such token'; begins_with takes one"):
        load_model(folder, begins_with="no such token")
