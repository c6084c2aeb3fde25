"""Edges by role: what a circuit is when each edge counts once for every kind of position.

A fact's prompt has a subject and words about the relation, so its positions have roles that all prompts share
(`ROLES`). An edge into queries, an MLP or the logits stays within one position. One into keys or values is read at its
own position and used at the queries' one, so it has two roles: attention is what carries across positions. (Position-
aware circuits: arXiv 2502.04577.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.checks import Amount, Model, checked
from helpers.circuits.ablation import Ablation, PatchingRun, in_places, scenes, split_qkv
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.scores import grown, ranked
from helpers.models.run import attention_out, head_writes
from helpers.prompts.pairs import PromptPairs

ROLES = ("before", "subject first", "subject middle", "subject last", "relation", "last")


def role_ids(pairs: PromptPairs) -> Int[Tensor, "batch pos"]:
    """The role of each position of pairs of one length, as its number in `ROLES`.

    A subject of one token is a ``"subject last"``; ``"relation"`` are the words between the subject and the last token.

    Raises:
        ValueError: if a subject isn't known.
    """
    length = pairs.clean_tokens.shape[1]
    result = torch.full((len(pairs), length), ROLES.index("relation"))
    for row, subject in zip(result, pairs.subjects, strict=True):
        if subject is None:
            raise ValueError("roles need to know where the subjects are; make the pairs by relation_pairs")
        row[: subject.start] = ROLES.index("before")
        row[subject] = ROLES.index("subject middle")
        row[subject.start] = ROLES.index("subject first")
        row[subject.stop - 1] = ROLES.index("subject last")
        row[-1] = ROLES.index("last")
    return result


def crosses(reader: str) -> bool:
    """Whether what a reader reads at one position is used at another: keys and values."""
    return reader.endswith(("<k>", "<v>"))


@dataclass(frozen=True)
class RoleGraph:
    """A graph's edges by role: ``[query role, own role, reader, source]``; the two are one but for keys and values."""

    graph: Graph

    @cached_property
    def edges(self) -> Bool[Tensor, "query own reader source"]:
        """Which of them there are; a query comes no earlier than what it looks at, so its role doesn't, either."""
        looked_at = torch.tensor([crosses(name) for name in self.graph.readers])
        same = torch.eye(len(ROLES), dtype=torch.bool)[..., None]
        earlier = torch.ones(len(ROLES), len(ROLES), dtype=torch.bool).tril()[..., None]
        return torch.where(looked_at, earlier, same)[..., None] & self.graph.edges

    @property
    def n_edges(self) -> int:
        """The number of edges by role."""
        return int(self.edges.sum())


@dataclass(frozen=True, eq=False)
class RoleCircuit:
    """A set of edges by role."""

    graph: Graph
    mask: Bool[Tensor, "query own reader source"]

    def __post_init__(self) -> None:
        edges = RoleGraph(self.graph).edges
        if self.mask.shape != edges.shape or (self.mask > edges).any():
            raise ValueError("the mask isn't one of the graph's edges by role (RoleGraph.edges)")

    @staticmethod
    def of(circuit: Circuit) -> RoleCircuit:
        """A circuit's edges, in all roles."""
        return RoleCircuit(circuit.graph, RoleGraph(circuit.graph).edges & circuit.mask)

    @property
    def n_edges(self) -> int:
        """The number of edges by role."""
        return int(self.mask.sum())

    @property
    def edges(self) -> list[tuple[str, str, str]]:
        """Its edges: (name, own role, the role of the query)."""
        places = self.mask.nonzero().tolist()
        return [(self.graph.name(r, s), ROLES[own], ROLES[query]) for query, own, r, s in places]


@dataclass(frozen=True, eq=False)
class RoleScores:
    """A score for each edge by role; positive means that it helps.

    Raises:
        ValueError: for values of another shape, or an edge's score that is nan or infinite.
    """

    graph: Graph
    values: Float[Tensor, "query own reader source"]

    def __post_init__(self) -> None:
        edges = RoleGraph(self.graph).edges
        if self.values.shape != edges.shape or not self.values[edges].isfinite().all():
            raise ValueError("scores by role are finite numbers [query, own, reader, source] for RoleGraph.edges")

    @checked
    def top(self, n: Amount) -> RoleCircuit:
        """The ``n`` edges by role with the highest scores."""
        edges = RoleGraph(self.graph).edges
        mask = torch.zeros_like(edges)
        mask.view(-1)[ranked(self.values, edges, n)[:n]] = True
        return RoleCircuit(self.graph, mask)

    @checked
    def greedy(self, n: Amount) -> RoleCircuit:
        """``n`` edges by role, grown from the logits at the last token: the best edge into what is already used."""
        graph, edges = self.graph, RoleGraph(self.graph).edges
        feeds = [readers.nonzero().flatten().tolist() for readers in graph.feeds.T]
        places = torch.arange(edges.numel()).view(edges.shape)

        def into(reader: tuple[int, int]) -> list[int]:
            at, row = reader
            return places[at, :, row][edges[at, :, row]].tolist()

        def opens(place: int) -> list[tuple[int, int]]:
            _, own, _, source = np.unravel_index(place, edges.shape)
            return [(int(own), reader) for reader in feeds[source]]

        root, mask = (ROLES.index("last"), len(graph.readers) - 1), torch.zeros_like(edges)
        mask.view(-1)[grown(ranked(self.values, edges, n), n, root, into=into, opens=opens)] = True
        return RoleCircuit(graph, mask)


@checked
@torch.no_grad()
def run_by_role(
    model: Model, circuit: RoleCircuit, pairs: PromptPairs, ablation: Ablation = "corrupt"
) -> Float[Tensor, "batch d_vocab"]:
    """The logits at the answer position when only these edges, in these roles, carry the clean run.

    Every reader's input is rebuilt position by position; keys and values once for each role of the queries.

    Raises:
        ValueError: for a circuit of another graph than the model's, or pairs without known subjects.
    """
    if circuit.graph != Graph.from_model(model):
        raise ValueError(f"the circuit is of {circuit.graph}, the model has {Graph.from_model(model)}")
    parts = [(places, _logits(scene, circuit)) for places, scene in scenes(model, pairs, ablation)]
    return in_places(parts)


def _logits(scene: PatchingRun, circuit: RoleCircuit) -> Float[Tensor, "batch d_vocab"]:
    net, graph, ablated = scene.net, circuit.graph, scene.ablated
    roles = role_ids(scene.pairs)[:, scene.start :].to(scene.embed.device)
    mask = circuit.mask.to(scene.embed)
    own = mask[range(len(ROLES)), range(len(ROLES))]  # within one position
    stays = torch.tensor([not crosses(name) for name in graph.readers], device=mask.device)[:, None]
    base, changes = ablated.embed.expand_as(scene.embed), (scene.embed - ablated.embed)[None]

    def inputs(weights: Float[Tensor, "role reader source"], rows: slice) -> Float[Tensor, "reader batch pos d_model"]:
        chosen = weights[:, rows, : len(changes)][roles]
        return base + torch.einsum("bprs,sbpd->rbpd", chosen, changes)

    for n, layer in enumerate(net.layers):
        attention, mlp = graph.reader_rows(2 * n), graph.reader_rows(2 * n + 1)
        z = torch.zeros_like(ablated.heads[n].expand(*roles.shape, -1, -1))
        for role in roles.unique().tolist():
            x = inputs(torch.where(stays, own, mask[role]), attention)
            read = net.attend(*split_qkv(layer, layer.norm1(x)), scene.past and scene.past[n])
            z = torch.where((roles == role)[..., None, None], read, z)
        written = head_writes(layer, z - ablated.heads[n])
        changes, base = torch.cat((changes, written)), base + attention_out(layer, ablated.heads[n])
        new = layer.neurons(layer.norm2(inputs(own, mlp)[0])) @ layer.W_out - ablated.mlps[n]
        changes, base = torch.cat((changes, new[None])), base + ablated.mlps[n] + layer.b_out
    return net.unembed(inputs(own, slice(len(graph.readers) - 1, None))[0, :, -1])
