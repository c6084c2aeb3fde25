"""Shapes and types in signatures are checked while the tests run; small models that several tests use."""

import pytest
from jaxtyping import install_import_hook

# Not checked: what refuses wrong options by itself, in one sentence (loading, memory, requests, tables, exercises).
# What every forward pass calls is checked in `test_types.py` alone.
CHECKED = (
    "atlas.abilities atlas.optimizer atlas.training "
    "circuits.overlap studies.grouping circuits.stability "
    "components.head_classes studies.mlps.cuts "
    "components.skill_heads editing.edit editing.fine_tuning editing.rome editing.scores editing.tracing "
    "editing.value_search editing.weights "
    "figures.circuit_layout "
    "studies.competition.competition studies.competition.conflicts studies.competition.exposure "
    "studies.competition.scaled_heads studies.competition.sentences studies.edited_circuits.carriers "
    "studies.edited_circuits.fact_pairs studies.editing_inside_circuits.masks "
    "studies.editing_inside_circuits.search studies.greater_than.digits studies.greater_than.years "
    "studies.hallucination.contests studies.hallucination.namesakes studies.hallucination.probes "
    "studies.hallucination.questions studies.hallucination.real_questions studies.hallucination.real_signs "
    "studies.hallucination.real_ways studies.hallucination.views "
    "studies.hallucination.warning_signs studies.heads.routes studies.how_circuits_form.formation "
    "studies.how_circuits_form.grafts studies.how_circuits_form.head_matching "
    "studies.in_context_learning.demonstrations "
    "studies.in_context_learning.few_shot studies.in_context_learning.few_shot_table "
    "studies.in_context_learning.list_answers "
    "studies.in_context_learning.list_pairs studies.in_context_learning.settings "
    "studies.in_context_learning.function_vectors studies.indirect_objects.end_heads "
    "studies.indirect_objects.name_swaps studies.indirect_objects.path_cuts "
    "studies.induction.composition studies.induction.keys studies.locate_and_edit.edit_series "
    "studies.two_hops_and_reversal.questions studies.two_hops_and_reversal.reversal "
    "studies.mlps.neurons studies.mlps.routes studies.mlps.attributes "
)
install_import_hook([f"helpers.{name}" for name in CHECKED.split()], "beartype.beartype")


@pytest.fixture(scope="session")
def atlas():
    from helpers import load_model

    return load_model("atlas", device="cpu")


@pytest.fixture(scope="session")
def atlas2():
    from helpers import load_model

    return load_model("atlas2", device="cpu")


@pytest.fixture(scope="session")
def smollm2():
    from helpers import load_model

    return load_model("smollm2", device="cpu")


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
