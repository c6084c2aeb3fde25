"""Searches for circuits: one algorithm a file, none of them knows another."""

from helpers.searches.acdc import acdc
from helpers.searches.attribution import clean_corrupted, eap, eap_ig
from helpers.searches.chance import move_heads, random_circuit
from helpers.searches.edge_pruning import edge_pruning
from helpers.searches.exact import exact_scores

__all__ = ["acdc", "clean_corrupted", "eap", "eap_ig", "edge_pruning", "exact_scores", "move_heads", "random_circuit"]
