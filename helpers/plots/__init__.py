"""Figures that several chapters draw: the caller gives numbers and the finding, these give the form."""

from helpers.plots.lines import beliefs, beside_chance, curves, dots, estimates
from helpers.plots.maps import edge_matrix, head_map, lens, table_map
from helpers.plots.searching import agreement, growth, visits
from helpers.plots.years import cutoffs, falls, halves, head_maps, year_maps

__all__ = [
    "agreement",
    "beliefs",
    "beside_chance",
    "curves",
    "cutoffs",
    "dots",
    "edge_matrix",
    "estimates",
    "falls",
    "growth",
    "halves",
    "head_map",
    "head_maps",
    "lens",
    "table_map",
    "visits",
    "year_maps",
]
