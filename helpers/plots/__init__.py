"""Figures that several chapters draw: the caller gives numbers and the finding, these give the form."""

from helpers.plots.competition import by_group, foreseen, told_gap, win_shares
from helpers.plots.failures import passed, roc, stacked_shares
from helpers.plots.heads import confusion, head_atlas, head_overview, looks_and_acts, sensitivity
from helpers.plots.lines import beliefs, beside_chance, curves, dots, estimates
from helpers.plots.maps import edge_matrix, head_map, lens, table_map
from helpers.plots.mlps import clustered, first_stops, rank_by_layer, strips
from helpers.plots.searching import agreement, growth, visits
from helpers.plots.skills import changes, formation, heads_on_axes
from helpers.plots.years import cutoffs, falls, halves, head_maps, year_maps

__all__ = [
    "agreement",
    "beliefs",
    "beside_chance",
    "by_group",
    "changes",
    "clustered",
    "confusion",
    "curves",
    "cutoffs",
    "dots",
    "edge_matrix",
    "estimates",
    "falls",
    "first_stops",
    "foreseen",
    "formation",
    "growth",
    "halves",
    "head_atlas",
    "head_map",
    "head_maps",
    "head_overview",
    "heads_on_axes",
    "lens",
    "looks_and_acts",
    "passed",
    "rank_by_layer",
    "roc",
    "sensitivity",
    "stacked_shares",
    "strips",
    "table_map",
    "told_gap",
    "visits",
    "win_shares",
    "year_maps",
]
