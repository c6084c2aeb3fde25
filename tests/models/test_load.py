"""Embedded, local and hub models load ready for circuit work, and what can't be loaded says why."""

import json
import shutil

import pytest
import torch
from small_models import gpt2_shaped, llama_shaped
from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers.models import load as models
from helpers.models.load import (
    WEIGHTS,
    checkpoints,
    embedded_models,
    load_model,
    model_folder,
)

PROMPT = "The capital of France is"
HOOKS = ("attn.hook_q_input", "attn.hook_k_input", "attn.hook_v_input", "attn.hook_result", "hook_mlp_in")


@pytest.fixture(params=[gpt2_shaped, llama_shaped], ids=["gpt2", "llama"])
def local_folder(request, tmp_path):
    torch.manual_seed(0)
    request.param().save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(WEIGHTS / "atlas").save_pretrained(tmp_path)
    return tmp_path


def assert_ready(model, folder, heads: int) -> None:
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = model.to_tokens(PROMPT)
    logits, cache = model.run_with_cache(tokens)
    assert (plain(tokens).logits - logits).abs().max() < 1e-4
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    for hook in HOOKS:
        assert f"blocks.0.{hook}" in cache, hook
    assert cache["blocks.0.attn.hook_result"].shape[2] == heads
    assert cache["blocks.0.attn.hook_q_input"].shape[2] == heads


def test_a_local_directory_is_ready_for_circuit_work(local_folder):
    assert_ready(load_model(str(local_folder), device="cpu"), local_folder, heads=4)


@pytest.mark.parametrize("name", embedded_models())
def test_every_embedded_model_is_ready(name):
    model = load_model(name, device="cpu")
    folder = model_folder(name)
    assert (folder / "model.safetensors").stat().st_size < 16 * 2**20
    layers, heads = (8, 6) if name.startswith("atlas2") else (6, 8)
    if "@" not in name:
        assert_ready(model, folder, heads=heads)
    assert model.cfg.n_layers == layers and model.cfg.n_heads == heads
    assert model.to_tokens(PROMPT)[0, 0] == model.tokenizer.bos_token_id


@pytest.mark.parametrize("name", ["atlas", "atlas2"])
def test_a_series_of_checkpoints_is_shipped(name):
    series = checkpoints(name)
    assert 6 <= len(series) <= 9 and list(series) == sorted(series)
    assert list(series.values())[-1] == name
    ratios = [b / a for a, b in zip(list(series), list(series)[1:], strict=False)]
    assert all(1.2 < r < 3 for r in ratios), "log-spaced"


@pytest.fixture
def copied_weights(tmp_path, monkeypatch):
    shutil.copytree(WEIGHTS / "atlas", tmp_path / "atlas")
    shutil.copyfile(WEIGHTS / models.CHECKSUMS, tmp_path / models.CHECKSUMS)
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    return tmp_path


def test_a_damaged_file_is_named(copied_weights):
    path = copied_weights / "atlas" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged.*install the package again"):
        load_model("atlas")


def test_a_missing_file_is_named(copied_weights):
    (copied_weights / "atlas" / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json is missing.*install the package again"):
        load_model("atlas")
    (copied_weights / models.CHECKSUMS).unlink()
    with pytest.raises(FileNotFoundError, match=r"checksums\.json is missing"):
        load_model("atlas")


def test_an_unknown_embedded_name_lists_the_choices():
    with pytest.raises(ValueError, match="atlas-seed1"):
        load_model("atlas@123456")
    with pytest.raises(ValueError, match="atlas-seed1"):
        load_model("atlas-large")


def test_a_hub_name_without_a_network_names_the_alternatives(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="Without a network, use one of: atlas"):
        load_model("no-such-owner/no-such-model")


def test_incomplete_directories_are_refused(local_folder):
    weights = local_folder / "model.safetensors"
    weights.rename(local_folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match="pickle"):
        load_model(str(local_folder))
    (local_folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_model(str(local_folder))


def test_checksums_cover_every_file_that_is_loaded():
    sums = json.loads((WEIGHTS / models.CHECKSUMS).read_text())
    shipped = {p.relative_to(WEIGHTS).as_posix() for p in WEIGHTS.glob("*/*") if p.is_file()}
    assert shipped == set(sums)
