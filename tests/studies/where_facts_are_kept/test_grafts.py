"""A graft at no position is the one model, at all positions the other; in between, both matter where they should."""

from dataclasses import replace

import pytest
import torch
from small_models import random_model

from helpers.models.network import read_network
from helpers.models.run import resume
from helpers.studies.where_facts_are_kept.grafts import grafted

TOKENS = torch.randint(1, 8000, (3, 6), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def two(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("grafts")
    nets = [read_network(random_model(request.param, folder / name, scale)) for name, scale in (("a", 4.0), ("b", 3.0))]
    return nets


def places(*taken: int) -> torch.Tensor:
    mask = torch.zeros(TOKENS.shape, dtype=torch.bool)
    mask[:, list(taken)] = True
    return mask


def test_no_position_and_all_positions_are_the_two_models(two):
    base, donor = two
    for taken, net in ((places(), base), (places(*range(6)), donor)):
        expected = resume(net, net.embed(TOKENS))
        torch.testing.assert_close(grafted(base, donor, TOKENS, taken), expected, atol=1e-4, rtol=1e-4)


def test_a_model_lends_itself_what_it_has(two):
    base, _ = two
    expected = resume(base, base.embed(TOKENS))
    torch.testing.assert_close(grafted(base, base, TOKENS, places(1, 5)), expected, atol=1e-4, rtol=1e-4)


def test_an_mlp_grafted_at_one_position_is_a_patched_write(two):
    """A donor that differs in the last layer's MLP alone: at the last position it counts, anywhere else it doesn't."""
    base, _ = two
    layer = base.layers[-1]
    donor = replace(base, layers=(*base.layers[:-1], replace(layer, W_out=-layer.W_out)))
    plain = resume(base, base.embed(TOKENS))
    torch.testing.assert_close(grafted(base, donor, TOKENS, places(0, 1, 2, 3, 4)), plain, atol=1e-4, rtol=1e-4)
    turned = resume(donor, donor.embed(TOKENS))
    torch.testing.assert_close(grafted(base, donor, TOKENS, places(5)), turned, atol=1e-4, rtol=1e-4)
    assert (turned - plain).abs().max() > 0.1


def test_other_shapes_are_refused(two):
    base, donor = two
    with pytest.raises(ValueError, match="models of one shape"):
        grafted(base, replace(donor, layers=donor.layers[:1]), TOKENS, places())
