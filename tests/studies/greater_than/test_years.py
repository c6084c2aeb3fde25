"""Maps of years and neurons: against whole runs, hand-made maps, and small random models."""

from dataclasses import replace

import pytest
import torch

from helpers.atlas import skills
from helpers.atlas.skills import greater_than_pairs, start_years, year_ids
from helpers.circuits.ablation import run_circuit, run_writes
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.models.network import read_network
from helpers.prompts.pairs import PromptPairs
from helpers.studies.greater_than import years
from helpers.studies.greater_than.years import year_diff

FORM = skills.GREATER_THAN[0]


@pytest.fixture(scope="module")
def asked(atlas):
    return greater_than_pairs(atlas, 12, template=FORM, starts=[10, 50, 90])


def test_pairs_go_through_the_starts(atlas, asked):
    assert start_years(asked).tolist() == [10, 50, 90] * 4
    assert greater_than_pairs(atlas, 6).clean == greater_than_pairs(atlas, 9).clean[:6]
    for starts in ([2], [98], []):
        with pytest.raises(ValueError, match="from 3 to 97"):
            greater_than_pairs(atlas, 4, starts=starts)


def test_year_ids_are_the_years(atlas, asked):
    ids = year_ids(atlas, asked.clean[0])
    assert [atlas.tokenizer.decode([i]) for i in ids] == [f"{year:02d}" for year in range(100)]


def test_by_start_averages_the_pairs_of_a_start(asked):
    values = torch.arange(12.0)[:, None] * torch.ones(100)
    assert torch.equal(years.by_start(values, asked)[:, 0], torch.tensor([4.5, 5.5, 6.5]))
    assert years.by_start(torch.stack([values, -values]), asked).shape == (2, 3, 100)


def test_sources_add_up_to_the_logits(atlas, asked):
    """All writes and biases together are the final residual, so the maps differ from the logits by a constant."""
    ids = year_ids(atlas, asked.clean[0])
    said = years.said_by_sources(atlas, asked, ids)
    assert said.shape == (len(Graph.from_model(atlas).sources), 12, 100)
    rest = asked.clean_logits(atlas)[:, ids] - said.sum(0)  # biases, and the mean over the years: alike for all
    assert (rest - rest.mean(1, keepdim=True) - (rest - rest.mean(1, keepdim=True)).mean(0)).abs().max() < 0.05


@pytest.mark.parametrize("ablation", ["corrupt", "mean"])
def test_all_neurons_are_the_model(atlas, asked, ablation):
    for layer in (0, 5):
        scene = years.mlp_scene(atlas, asked, layer, ablation)
        everything = torch.ones(scene.neurons.shape[1:], dtype=torch.bool)
        assert torch.allclose(scene.logits(everything), asked.clean_logits(atlas), atol=1e-3)
        assert torch.allclose(scene.only(range(scene.neurons.shape[-1])), asked.clean_logits(atlas), atol=1e-3)


def test_an_ablated_mlp_is_a_circuit_without_its_edges(atlas, asked):
    graph = Graph.from_model(atlas)
    for layer in (0, 3):
        scene = years.mlp_scene(atlas, asked, layer, "corrupt")
        nothing = torch.zeros(scene.neurons.shape[1:], dtype=torch.bool)
        cut = [e for e in Circuit.full(graph).edges if e.startswith(f"m{layer}->")]
        without = run_circuit(atlas, Circuit.full(graph) - Circuit.from_edges(graph, cut), asked)
        assert torch.allclose(scene.logits(nothing), without, atol=1e-3)


def test_only_is_the_mask_at_the_last_position(small):
    """Two routes for models with learned and with rotary positions: from the last position on, and all positions."""
    model, pairs = small
    pairs = pairs.groups()[0][1]
    for layer in (0, 1):
        scene = years.mlp_scene(model, pairs, layer, "corrupt")
        kept = torch.ones(scene.neurons.shape[1:], dtype=torch.bool)
        kept[-1] = False
        kept[-1, [1, 5]] = True
        assert torch.allclose(scene.only([1, 5]), scene.logits(kept), atol=1e-4)


def test_scores_estimate_single_cuts(small):
    """For the last MLP the metric's gradient is near the truth when the ablated value is near the clean one."""
    model, pairs = small
    pairs = pairs.groups()[0][1]
    scene = years.mlp_scene(model, pairs, 1, "corrupt")
    near = replace(scene, ablated=scene.neurons + 1e-2 * scene.ablated)
    estimate = years.neuron_scores(near, logit_diff)
    for neuron in (0, 7, 20):
        kept = torch.ones(scene.neurons.shape[1:], dtype=torch.bool)
        kept[-1, neuron] = False
        fall = (logit_diff(pairs.clean_logits(model), pairs) - logit_diff(near.logits(kept), pairs)).mean()
        assert estimate[neuron] == pytest.approx(fall.item(), abs=0.1 * estimate.abs().max().item())


def test_kept_effect_runs_from_none_to_all(atlas, asked):
    metric = year_diff(atlas, asked)
    scene = years.mlp_scene(atlas, asked, 1)
    assert years.kept_effect(scene, metric, []) == pytest.approx(0, abs=1e-4)
    assert years.kept_effect(scene, metric, range(768)) == pytest.approx(1, abs=1e-3)
    best = years.neuron_scores(scene, metric).argsort(descending=True)
    assert years.kept_effect(scene, metric, best[:10]) > 0.4 > years.kept_effect(scene, metric, best[300:310])


def test_bad_inputs_say_what_to_do(atlas, asked):
    unchecked = years.mlp_scene.__wrapped__  # the tests' type checker would say it first
    while hasattr(unchecked, "__wrapped__"):
        unchecked = unchecked.__wrapped__
    with pytest.raises(ValueError, match="'zero'"):
        unchecked(atlas, asked, 0, "zero")
    with pytest.raises(ValueError, match="no layer 6; the model's are 0 to 5"):
        years.mlp_scene(atlas, asked, 6)
    other = greater_than_pairs(atlas, 6)
    assert isinstance(other, PromptPairs) and len(other.groups()) > 1
    with pytest.raises(ValueError, match="groups"):
        years.mlp_scene(atlas, other, 0)


def test_neurons_are_those_of_the_run(atlas, asked):
    net = read_network(atlas)
    scene = years.mlp_scene(atlas, asked, 2)
    writes, _ = run_writes(net, asked.clean_tokens)
    assert torch.allclose(scene.neurons @ net.layers[2].W_out, writes.mlps[2], atol=1e-4)
