"""What the circuits of related relations share: the tables behind the comparison of all relations.

``make tables NAME=sharing`` writes them to ``helpers/tables``: ``circuits`` (three circuits for each relation),
``transfer`` (some relations' circuits on each other's questions) and ``cuts`` (what each relation loses with each head
and each MLP).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from helpers.atlas.wordings import asked_relations
from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.evaluation import Baselines, baselines, faithfulness
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.models.network import Network, read_network
from helpers.models.run import LayerRun, resume, run_layers
from helpers.prompts.facts import relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import relation, relations
from helpers.searches.attribution import find_circuit
from helpers.studies.mlps.cuts import cut_sublayers
from helpers.studies.tables import Load, Write, read_table

N_PAIRS = 20
RELABELLED = 5  # draws for each circuit
# Three circuits for each relation, each found with 20 pairs: how these differ from the first is what the names say.
DRAWS = ("first", "other subjects", "other words")
# The relations whose circuits are tried on each other's questions: near and far ones of all kinds.
TRANSFERRED = (
    "country_capital",
    "country_currency",
    "country_language",
    "landmark_country",
    "person_language",
    "person_hometown",
    "animal_young",
    "object_superclass",
    "plural",
    "past_tense",
    "first_letter",
    "last_letter",
)


def shared_relations() -> list[str]:
    """The relations that are compared: those of the sweeps, the invented and the composed ones."""
    return [*asked_relations(), *relations("fiction"), *relations("composed")]


def relation_types(names: Sequence[str]) -> pd.DataFrame:
    """For each relation the kind of knowledge, the type of its subjects and that of its answers."""
    rows = {n: (relation(n).kind, *(relation(n).properties[f"{k}_type"] for k in ("subject", "answer"))) for n in names}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["kind", "subject type", "answer type"])


def relation_circuit(model, name: str, draw: str = "first") -> Circuit:
    """A relation's circuit, found on 20 pairs.

    Raises:
        ValueError: for an unknown draw.
    """
    if draw not in DRAWS:
        raise ValueError(f"unknown draw {draw!r}; choose from {', '.join(DRAWS)}")
    # After the beginning of a sentence, a subject's capital letter may change its tokens.
    paraphrase = next(n for n, t in enumerate(relation(name).templates) if n and not t.startswith("{}"))
    options = {"first": {}, "other subjects": {"split": "test"}, "other words": {"paraphrase": paraphrase}}
    return find_circuit(model, relation_pairs(model, name, N_PAIRS, **options[draw]))


def circuit_rows(model, names: Sequence[str]) -> pd.DataFrame:
    """Columns ``relation, draw, edges``: the names of the edges in the graph's order, with spaces between them."""
    wanted = tqdm([(name, draw) for name in names for draw in DRAWS])
    rows = [(*each, " ".join(relation_circuit(model, *each).edges)) for each in wanted]
    return pd.DataFrame(rows, columns=["relation", "draw", "edges"])


def read_circuits(graph: Graph, draw: str = "first", table: pd.DataFrame | None = None) -> dict[str, Circuit]:
    """The committed circuits of one draw, by relation.

    Raises:
        ValueError: for an unknown draw, or a graph that lacks some of the edges.
    """
    if draw not in DRAWS:
        raise ValueError(f"unknown draw {draw!r}; choose from {', '.join(DRAWS)}")
    table = read_table("circuits") if table is None else table
    chosen = table[table.draw == draw]
    return {row.relation: Circuit.from_edges(graph, row.edges.split()) for row in chosen.itertuples()}


def asked(model, names: Sequence[str]) -> Iterator[tuple[str, PromptPairs, Baselines]]:
    """For each relation the held-out questions, and the ends of their scale."""
    for name in tqdm(names):
        pairs = relation_pairs(model, name, N_PAIRS, split="test")
        yield name, pairs, baselines(model, pairs, logit_diff, "corrupt")


def transfer_rows(model, circuits: Mapping[str, Circuit], names: Sequence[str]) -> pd.DataFrame:
    """Columns ``asked, circuit, kept, relabelled``: what a relation keeps with the circuit of another.

    ``relabelled``: the mean over circuits of the same shape, in whose layers the heads have changed places.
    """
    chance = {
        name: [random_circuit(c.graph, like=c, seed=RELABELLED * n + i) for i in range(RELABELLED)]
        for n, (name, c) in enumerate(circuits.items())
    }
    rows = []
    for name, pairs, scale in asked(model, names):
        for other, circuit in circuits.items():
            kept, *drawn = (float(faithfulness(model, c, pairs, scale=scale)) for c in (circuit, *chance[other]))
            rows.append((name, other, kept, sum(drawn) / RELABELLED))
    return pd.DataFrame(rows, columns=["asked", "circuit", "kept", "relabelled"])


@torch.no_grad()
def cut_logits(
    net: Network,
    run: LayerRun,
    layer: int,
    ablated: Float[Tensor, "head _ pos d_model"],
) -> Float[Tensor, "head batch d_vocab"]:
    """The logits at the last position when all outgoing edges of one head of a layer are cut, for each head alone.

    The same as `run_circuit` without these edges: every reader behind the head misses the same difference, so it can
    be taken out of the residual stream at once.

    Args:
        ablated: what the heads write instead, for each pair or for all.
    """
    changed = run.after - run.written + ablated
    return resume(net, changed.flatten(0, 1), 2 * layer + 1).unflatten(0, changed.shape[:2])


@torch.no_grad()
def cut_diffs(model, pairs: PromptPairs) -> dict[str, float]:
    """The mean logit difference when all outgoing edges of one head or one MLP are cut, with corrupt ablation.

    The same as `run_circuit` without these edges, in one run for each layer and not for each source.
    """
    net, total = read_network(model), defaultdict(float)
    for _, group in pairs.groups():
        (runs, _), (other, _) = (run_layers(net, t) for t in (group.clean_tokens, group.corrupt_tokens))
        for n, (run, corrupt) in enumerate(zip(runs, other, strict=True)):
            for h, logits in enumerate(cut_logits(net, run, n, corrupt.written)):
                total[f"a{n}.h{h}"] += logit_diff(logits, group).sum().item() / len(pairs)
    for n in range(len(net.layers)):
        total[f"m{n}"] = logit_diff(cut_sublayers(model, pairs, [(n, "MLP")]), pairs).mean().item()
    return dict(total)


def cut_rows(model, names: Sequence[str]) -> pd.DataFrame:
    """Columns ``relation, source, lost``: the share of the logit difference lost when one source alone is cut."""
    rows = []
    for name, pairs, scale in asked(model, names):
        full, bottom = scale.full.mean().item(), scale.ablated.mean().item()
        rows += [(name, s, (full - diff) / (full - bottom)) for s, diff in cut_diffs(model, pairs).items()]
    return pd.DataFrame(rows, columns=["relation", "source", "lost"])


def write_tables(load: Load, write: Write) -> None:
    """Find circuits of all relations, and try each on the others."""
    model, names = load("atlas"), shared_relations()
    write("cuts", cut_rows(model, names))
    circuits = circuit_rows(model, names)
    write("circuits", circuits)
    found = read_circuits(Graph.from_model(model), table=circuits)
    write("transfer", transfer_rows(model, {name: found[name] for name in TRANSFERRED}, TRANSFERRED))
