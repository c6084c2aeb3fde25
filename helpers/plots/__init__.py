"""Figures that several chapters draw: the caller gives numbers and the finding, these give the form."""

from helpers.plots.competition import by_group, foreseen, told_gap, win_shares
from helpers.plots.edits import by_layer, role_maps, series, trade_off
from helpers.plots.failures import passed, roc, stacked_shares
from helpers.plots.formation import by_count, stacked_lines
from helpers.plots.heads import head_atlas, head_overview, looks_and_acts, sensitivity
from helpers.plots.lines import beside_chance, by_share, curves, dots, estimates, standings
from helpers.plots.maps import edge_matrix, head_map, lens, table_map
from helpers.plots.masks import count_and_fraction, losses
from helpers.plots.mlps import clustered, first_stops, rank_by_layer, strips
from helpers.plots.searching import agreement, estimated_peaks, growth, visits
from helpers.plots.skills import changes, formation, heads_on_axes
from helpers.plots.years import falls, halves, head_maps, year_maps

__all__ = [
    "agreement",
    "beside_chance",
    "by_count",
    "by_group",
    "by_layer",
    "by_share",
    "changes",
    "clustered",
    "count_and_fraction",
    "curves",
    "dots",
    "edge_matrix",
    "estimated_peaks",
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
    "losses",
    "passed",
    "rank_by_layer",
    "roc",
    "role_maps",
    "sensitivity",
    "series",
    "stacked_lines",
    "stacked_shares",
    "standings",
    "strips",
    "table_map",
    "told_gap",
    "trade_off",
    "visits",
    "win_shares",
    "year_maps",
]
