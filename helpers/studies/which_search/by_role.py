"""Attribution of edges by role: where in the prompt an edge matters, and from where attention carries it."""

from __future__ import annotations

from functools import partial

import torch

from helpers.checks import Count, Model, Steps, checked
from helpers.circuits.ablation import Ablation, scenes
from helpers.circuits.evaluation import Baselines, recovered
from helpers.circuits.gradients import forward_steps, step_gradients
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import DirectedMetric, logit_diff
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import Estimate, bootstrap
from helpers.studies.which_search.roles import ROLES, RoleCircuit, RoleGraph, RoleScores, role_ids, run_by_role


@checked
def eap_by_role(
    model: Model,
    pairs: PromptPairs,
    metric: DirectedMetric = logit_diff,
    *,
    steps: Steps = 1,
    ablation: Ablation = "corrupt",
    batch: Count | None = None,
) -> RoleScores:
    """`eap_ig` (or `eap`, at one step) that keeps edges apart by role (position-aware, arXiv 2502.04577).

    Summed over roles, the scores are those of the search without roles: `eap` at the clean run for one step, `eap_ig`
    at midpoints for more.

    Raises:
        ValueError: for pairs without known subjects.
    """
    graph = Graph.from_model(model)
    edges, count = RoleGraph(graph).edges, len(ROLES)
    values = torch.zeros(edges.shape, device=model.W_E.device)
    for _, scene in scenes(model, pairs, ablation, batch, clean=True):
        clean, _ = scene.clean
        net, written = scene.net, (clean - scene.ablated).expand(scene.net)
        roles = role_ids(scene.pairs)[:, scene.start :].to(written.device)
        parts = torch.stack([roles == role for role in range(count)]).to(written)
        there = [role for role in range(count) if parts[role].any()]
        for step in range(steps):
            share = (step + 0.5) / steps if steps > 1 else 1.0
            resid = torch.lerp(scene.ablated.embed.expand_as(clean.embed), clean.embed, share)
            with torch.no_grad():
                run, final = forward_steps(net, resid, scene.past)
            judge = partial(scene.measure_residual, metric)
            for sublayer, gradients in step_gradients(net, run, final, judge, parts=parts[there]):
                rows, stop = graph.reader_rows(sublayer), graph.visible(sublayer)
                for own in there:
                    changes = (written[:stop] * parts[own][..., None]).flatten(1)
                    values[there, own, rows, :stop] += gradients.flatten(2) @ changes.T
    values *= metric.sign / (len(pairs) * steps)
    return RoleScores(graph, values.cpu().masked_fill_(~edges, 0.0))


def faithfulness_by_role(model, circuit: RoleCircuit, pairs: PromptPairs, scale: Baselines) -> Estimate:
    """`helpers.circuits.evaluation.faithfulness` of a circuit by role: the logit difference, the rest corrupt."""
    scale.check(model, pairs, logit_diff, "corrupt")
    values = logit_diff(run_by_role(model, circuit, pairs), pairs).float()
    return bootstrap(recovered, values, scale.full, scale.ablated)


def roles_in(pairs: PromptPairs) -> list[int]:
    """The numbers of the roles that some prompt has."""
    return sorted({int(role) for _, group in pairs.groups() for role in role_ids(group).unique()})


def count_in(circuit: RoleCircuit, pairs: PromptPairs) -> int:
    """How many of a circuit's edges by role are in roles that the prompts have."""
    there = roles_in(pairs)
    return int(circuit.mask[there][:, there].sum())
