"""Shapes and types in signatures are checked while the tests run; small models that several tests use."""

import pytest
from jaxtyping import install_import_hook

CHECKED = (
    "skill_pairs composition name_swaps "
    "circuit_layout words heads head_patterns head_classes head_controls head_agreement knockouts "
    "contests competition lens mlps neurons overlap "
    "abilities ablation evaluation gradients graph incremental interchange metrics network optimizer pairs predict "
    "scores searches training years "
    "edit_runs edit_contexts second_moments editing rome fine_tuning edit_scores tracing edit_series "
    "edited_circuits edit_leaks parameter_masks mask_search "
    "hallucination failures probes warning_signs repairs two_hops bridges reversal "
    "few_shot list_pairs demonstrations function_vectors few_shot_table question_circuits "
    "formation settling head_matching"
)
install_import_hook([f"helpers.{name}" for name in CHECKED.split()], "beartype.beartype")


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
    from helpers.planted import planted_chain, planted_induction

    return {"chain": planted_chain, "induction": planted_induction}[request.param]()


@pytest.fixture(scope="session")
def known():
    """A model whose heads have known jobs."""
    from helpers.planted_heads import planted_heads

    return planted_heads()
