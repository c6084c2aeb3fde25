"""Figures that several chapters draw: the caller gives numbers and the finding, these give the form."""

from helpers.plots.lines import beliefs, beside_chance, curves, dots, estimates
from helpers.plots.maps import edge_matrix, head_map, lens, table_map
from helpers.plots.mlps import clustered, first_stops, rank_by_layer, strips
from helpers.plots.searching import agreement, growth, visits

__all__ = [
    "agreement",
    "beliefs",
    "beside_chance",
    "clustered",
    "curves",
    "dots",
    "edge_matrix",
    "estimates",
    "first_stops",
    "growth",
    "head_map",
    "lens",
    "rank_by_layer",
    "strips",
    "table_map",
    "visits",
]
