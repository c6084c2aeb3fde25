"""Shapes and types in signatures are checked while the tests run; small models that several tests use."""

import pytest
from jaxtyping import install_import_hook

# the library and the studies; not the exercises, whose checks are given anything on purpose
FOLDERS = "models prompts circuits searches components editing statistics studies"
install_import_hook([f"helpers.{name}" for name in FOLDERS.split()], "beartype.beartype")


@pytest.fixture(scope="session")
def atlas():
    from helpers import load_model

    return load_model("atlas", device="cpu")


@pytest.fixture
def with_gradients(atlas):
    """TransformerLens's attribution differentiates through the parameters."""
    atlas.requires_grad_(True)
    yield
    atlas.requires_grad_(False)


@pytest.fixture(scope="session", params=["gpt2", "llama"])
def small(request, tmp_path_factory):
    """A random model of each shape, and pairs of two lengths for it."""
    from small_models import random_model

    from helpers import relation_pairs

    model = random_model(request.param, tmp_path_factory.mktemp(request.param))
    pairs = relation_pairs(model, "country_capital", 6, known=False)
    assert len(pairs.groups()) > 1
    return model, pairs


@pytest.fixture(scope="session", params=["chain", "induction"])
def planted(request):
    """A model whose circuit is known."""
    from small_models import planted_chain

    from helpers.atlas.planted import planted_induction

    return {"chain": planted_chain, "induction": planted_induction}[request.param]()


@pytest.fixture(scope="session")
def known():
    """A model whose heads have known jobs."""
    from helpers.atlas.planted_heads import planted_heads

    return planted_heads()
