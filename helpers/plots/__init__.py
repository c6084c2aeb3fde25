"""Figures that several chapters draw: the caller gives numbers and the finding, these give the form."""

from helpers.plots.lines import beliefs, beside_chance, curves, dots, estimates
from helpers.plots.maps import edge_matrix, head_map, lens, table_map
from helpers.plots.searching import agreement, growth, visits
from helpers.plots.skills import changes, formation, heads_on_axes

__all__ = [
    "agreement",
    "beliefs",
    "beside_chance",
    "changes",
    "curves",
    "dots",
    "edge_matrix",
    "estimates",
    "formation",
    "growth",
    "head_map",
    "heads_on_axes",
    "lens",
    "table_map",
    "visits",
]
