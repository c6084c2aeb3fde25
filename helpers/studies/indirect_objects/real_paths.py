"""Which edges carry indirect objects in SmolLM2, and after how many layers the prompt's end holds whom to avoid."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from helpers.circuits.graph import Graph, head_place
from helpers.circuits.metrics import logit_diff
from helpers.statistics import Estimate, with_interval
from helpers.studies.indirect_objects.end_heads import class_members
from helpers.studies.indirect_objects.name_swaps import name_swaps, patched_ends
from helpers.studies.indirect_objects.path_cuts import Cut, cut_costs
from helpers.studies.tables import Load, Write, read_table, write_parts

PAIRS = {"smollm2": 24, "atlas2": 48, "atlas2-seed1": 48, "atlas": 48, "atlas-seed1": 48}
DONORS = ("other subject", "other order", "named once", "third name")
STOPS = (0, 6, 12, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 30)  # of SmolLM2's 30 layers
INHIBITING, SUPPRESSING = "a20.h0", "a23.h3"


def path_cuts(graph: Graph) -> dict[str, Cut]:
    """The cuts by their names."""
    table = read_table("smollm2_skill_heads")
    movers, s = class_members(table, "name mover"), INHIBITING
    layer = head_place(s)[0]
    beside = [h for h in graph.heads if head_place(h)[0] == layer and h != s]
    below = [h for h in graph.heads if head_place(h)[0] < layer]
    kinds = {k: class_members(table, k) for k in ("duplicate token", "induction", "previous token")}
    kinds = {k: [h for h in heads if h in below] for k, heads in kinds.items()}
    others = [h for h in below if not any(h in heads for heads in kinds.values())]
    mlps = [f"m{n}" for n in range(layer)]
    letters = {"queries": "q", "keys": "k", "values": "v"}
    cuts = {f"{s} -> movers' {name}": Cut([s], movers, letter) for name, letter in letters.items()}
    cuts |= {f"{s} -> query of {mover}": Cut([s], [mover]) for mover in (*movers, SUPPRESSING)}
    cuts[f"other heads of layer {layer} -> movers' queries"] = Cut(beside, movers)
    cuts["a19.h2 -> movers' queries"] = Cut(["a19.h2"], movers)
    cuts[f"{s} -> negative movers' queries"] = Cut([s], class_members(table, "negative name mover"))
    parts = kinds | {"other heads": others, "MLPs": mlps, "a17.h4": ["a17.h4"], "all": [*below, *mlps]}
    cuts |= {f"values of {s}: {name}": Cut(sources, [s], "v") for name, sources in parts.items()}
    return cuts | {f"{name} of {s}: all": Cut([*below, *mlps], [s], letters[name]) for name in ("keys", "queries")}


def path_rows(model) -> Iterator[pd.DataFrame]:
    """By how many logits the difference falls when edges are cut, with each patch source's prompts as corrupt ones."""
    whole = {f"{head}, all it writes": Cut([head]) for head in (INHIBITING, SUPPRESSING, "a19.h2")}
    negative = class_members(read_table("smollm2_skill_heads"), "negative name mover")
    more = path_cuts(Graph.from_model(model)) | {"negative movers, all they write": Cut(negative)}
    swaps = name_swaps(model, PAIRS["smollm2"], seed=1)
    for donor in DONORS:
        cuts = whole | (more if donor == DONORS[0] else {})
        costs = [with_interval(row) for row in cut_costs(model, swaps[donor], list(cuts.values()))]
        rows = zip(cuts, costs, strict=True)
        yield pd.DataFrame([dict(donor=donor, cut=n, fall=float(c), low=c.low, high=c.high) for n, c in rows])


def fall(cut: str, donor: str = "other subject") -> Estimate:
    """What a set of edges costs when cut, in logits, from the committed table."""
    row = read_table("indirect_paths").set_index(["donor", "cut"]).loc[(donor, cut)]
    return Estimate(row.fall, row.low, row.high)


def end_rows(load: Load) -> Iterator[pd.DataFrame]:
    """The logit difference when the last position, after so many layers, is that of a donor prompt."""
    for name, n in PAIRS.items():
        model = load(name)
        swaps, rows = name_swaps(model, n, seed=1), []
        stops = STOPS if name == "smollm2" else range(model.cfg.n_layers + 1)
        for donor in DONORS:
            for stop, logits in zip(stops, patched_ends(model, swaps[donor], list(stops)), strict=True):
                value = with_interval(logit_diff(logits, swaps[donor]))
                row = dict(model=name, donor=donor, layers=stop, pairs=n, difference=float(value))
                rows.append(row | dict(low=value.low, high=value.high))
        yield pd.DataFrame(rows)


def write_tables(load: Load, write: Write) -> None:
    """Cut the paths, and patch the ends."""
    write_parts(write, "indirect_ends", end_rows(load))
    write_parts(write, "indirect_paths", path_rows(load("smollm2")))
