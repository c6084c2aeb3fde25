"""What the package ships as weights: small enough to install, nothing but safetensors, and every model loads."""

import pytest

from helpers.models.load import WEIGHTS, embedded_models, load_model

LIMIT = 120e6  # bytes of all weights of one generation; the first leaves when all chapters use the second


@pytest.mark.parametrize("second", [False, True])
def test_all_weights_of_a_generation_together_are_small(second):
    files = [path for path in WEIGHTS.rglob("*") if path.is_file()]
    own = [path for path in files if path.relative_to(WEIGHTS).as_posix().startswith("atlas2") == second]
    assert 0 < sum(path.stat().st_size for path in own) < LIMIT


def test_there_are_no_pickles():
    kinds = {"".join(path.suffixes) for path in WEIGHTS.rglob("*") if path.is_file()}
    assert kinds == {".safetensors", ".json", ".csv", ".csv.gz", ".md"}


@pytest.mark.parametrize("name", [name for name in embedded_models() if "@" not in name])
def test_a_trained_model_loads(name):
    assert load_model(name).cfg.n_layers == (8 if name.startswith("atlas2") else 6)
