"""Figures that several chapters draw: the caller gives numbers and the finding, these give the form."""

from helpers.plots.heads import confusion, head_atlas, head_overview, looks_and_acts, sensitivity
from helpers.plots.lines import beliefs, beside_chance, curves, dots, estimates
from helpers.plots.maps import edge_matrix, head_map, lens, table_map
from helpers.plots.searching import agreement, growth, visits
from helpers.plots.skills import changes, formation, heads_on_axes

__all__ = [
    "agreement",
    "beliefs",
    "beside_chance",
    "confusion",
    "changes",
    "curves",
    "dots",
    "edge_matrix",
    "estimates",
    "formation",
    "growth",
    "head_atlas",
    "head_map",
    "head_overview",
    "heads_on_axes",
    "lens",
    "looks_and_acts",
    "sensitivity",
    "table_map",
    "visits",
]
