"""What the package ships as weights: small enough to install, nothing but safetensors, and every model loads."""

import pytest

from helpers.models.load import WEIGHTS, embedded_models, load_model

LIMIT = 120e6  # bytes of all weights together


def test_all_weights_together_are_small():
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) < LIMIT


def test_there_are_no_pickles():
    kinds = {"".join(path.suffixes) for path in WEIGHTS.rglob("*") if path.is_file()}
    assert kinds == {".safetensors", ".json", ".csv", ".csv.gz", ".md"}


@pytest.mark.parametrize("name", [name for name in embedded_models() if "@" not in name])
def test_a_trained_model_loads(name):
    assert load_model(name).cfg.n_layers == 6
