"""A sweep's models are known by their weights, and loaded once."""

import torch
from small_models import random_model

from helpers.studies.atlas_of_circuits.loaded import load_once, weights_digest


def test_weights_have_a_digest_of_their_own(tmp_path):
    first, same = (random_model("gpt2", tmp_path / name) for name in "ab")
    before = weights_digest(first)
    assert weights_digest(same) == before
    with torch.no_grad():
        same.original_model.transformer.h[1].mlp.c_fc.bias[3] += 1e-6
    assert weights_digest(same) != before
    assert weights_digest(random_model("llama", tmp_path / "c")) != before


def test_a_model_is_loaded_again_when_its_files_change(tmp_path):
    folder = str(tmp_path / "own")
    random_model("gpt2", tmp_path / "own")
    model, before = load_once(folder)
    assert load_once(folder)[0] is model
    random_model("gpt2", tmp_path / "own", scale=3.0)
    assert load_once(folder)[1] != before
