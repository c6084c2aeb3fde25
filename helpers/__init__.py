"""The library of the book *Knowledge Circuits*, and Atlas, a language model of which every lesson is known."""

from helpers.ablation import run_circuit
from helpers.bridges import bridge_readings, moved_logits, swap_first_hops
from helpers.circuit_difference import circuit_difference
from helpers.circuit_picture import circuit_picture, circuit_series
from helpers.competition import foresee, scaled_logits, strength, tilt
from helpers.composition import composition, cut_effect, edges_between, edges_from
from helpers.contests import Contests, conflict_contests, fact_contests, name_contests
from helpers.corpus import exposures
from helpers.demonstrations import attention_to_lines, circuits_by_lines, cost_of_silence, new_heads
from helpers.edit_contexts import sample_prefixes
from helpers.edit_requests import EditRequest, Question, edit_requests, read_counterfact
from helpers.edit_scores import edit_summary, evaluate_edit, evaluate_edits
from helpers.edit_series import edit_series
from helpers.edited_circuits import carried, fact_circuit, fact_pairs
from helpers.editing import Edit
from helpers.evaluation import completeness, cpr_cmd, faithfulness, kept_hits, minimality
from helpers.failures import answer_paths, failure_kinds, head_pulls, matched_pairs, random_answers
from helpers.few_shot import few_shots, misled, novel_shots
from helpers.fine_tuning import fine_tune, ft_l, ft_m, named_weights
from helpers.formation import circuit_row
from helpers.function_vectors import function_vector, indirect_effects, mean_writes, with_vector
from helpers.graph import Circuit, Graph
from helpers.hallucination import ask, ask_facts, question_table
from helpers.head_classes import Thresholds, classify_heads, classify_skill_heads
from helpers.head_matching import match_heads
from helpers.heads import measure_heads
from helpers.interchange import read_eap_ig, write_eap_ig
from helpers.lens import answer_by_layer, made_first
from helpers.list_pairs import few_shot_pairs
from helpers.mask_edits import confined_edit, edit_places
from helpers.mask_search import first_order, kept_share, learn_masks
from helpers.mask_tasks import mask_task
from helpers.metrics import hit_at_k, kl, logit_diff, lower_is_better, match_nll, prob_diff, rank
from helpers.mlps import cut_sublayers, mlp_effects
from helpers.models import checkpoints, embedded_models, load_model
from helpers.name_swaps import name_swaps, patched_end, patched_ends
from helpers.namesakes import answer_counts, namesake_hits
from helpers.neurons import answer_neurons, without_neurons
from helpers.overlap import chance_overlaps, follows, overlaps
from helpers.pairs import PromptPairs, askable, relation_pairs
from helpers.parameter_masks import ParameterMask, mask_parts, masked, random_mask
from helpers.predict import answer_ids, next_token_probabilities, prompt_ids, recalled, said, token_span
from helpers.probes import probe_answers, probe_relation
from helpers.repairs import patched_logits, repair_table, turned_logits
from helpers.reversal import reversal_questions
from helpers.rome import ValueSearch, rome
from helpers.scores import Scores
from helpers.searches import acdc, clean_corrupted, eap, eap_ig, edge_pruning, exact_scores, random_circuit
from helpers.second_moments import second_moment
from helpers.settling import half_way, settled, timing
from helpers.skill_pairs import greater_than_pairs, indirect_object_pairs, induction_pairs, year_diff
from helpers.tracing import causal_trace, trace_summary, trace_table, traced_prompts
from helpers.two_hops import chain_questions, donors, hop_questions, pairs_of
from helpers.warning_signs import judge_signs, warning_signs
from helpers.words import written_words
from helpers.world import (
    Fact,
    Relation,
    held_out_paraphrases,
    read_relation,
    relation,
    relations,
    taught_paraphrases,
)

__all__ = [
    "Circuit",
    "Contests",
    "Edit",
    "EditRequest",
    "Fact",
    "Graph",
    "ParameterMask",
    "PromptPairs",
    "Question",
    "Relation",
    "Scores",
    "Thresholds",
    "ValueSearch",
    "acdc",
    "answer_by_layer",
    "answer_counts",
    "answer_ids",
    "answer_neurons",
    "answer_paths",
    "ask",
    "ask_facts",
    "askable",
    "attention_to_lines",
    "bridge_readings",
    "carried",
    "causal_trace",
    "chain_questions",
    "chance_overlaps",
    "checkpoints",
    "circuit_difference",
    "circuit_picture",
    "circuit_row",
    "circuit_series",
    "circuits_by_lines",
    "classify_heads",
    "classify_skill_heads",
    "clean_corrupted",
    "completeness",
    "composition",
    "confined_edit",
    "conflict_contests",
    "cost_of_silence",
    "cpr_cmd",
    "cut_effect",
    "cut_sublayers",
    "donors",
    "eap",
    "eap_ig",
    "edge_pruning",
    "edges_between",
    "edges_from",
    "edit_places",
    "edit_requests",
    "edit_series",
    "edit_summary",
    "embedded_models",
    "evaluate_edit",
    "evaluate_edits",
    "exact_scores",
    "exposures",
    "fact_circuit",
    "fact_contests",
    "fact_pairs",
    "failure_kinds",
    "faithfulness",
    "few_shot_pairs",
    "few_shots",
    "fine_tune",
    "first_order",
    "follows",
    "foresee",
    "ft_l",
    "ft_m",
    "function_vector",
    "greater_than_pairs",
    "half_way",
    "head_pulls",
    "held_out_paraphrases",
    "hit_at_k",
    "hop_questions",
    "indirect_effects",
    "indirect_object_pairs",
    "induction_pairs",
    "judge_signs",
    "kept_hits",
    "kept_share",
    "kl",
    "learn_masks",
    "load_model",
    "logit_diff",
    "lower_is_better",
    "made_first",
    "mask_parts",
    "mask_task",
    "masked",
    "match_heads",
    "match_nll",
    "matched_pairs",
    "mean_writes",
    "measure_heads",
    "minimality",
    "misled",
    "mlp_effects",
    "moved_logits",
    "name_contests",
    "name_swaps",
    "named_weights",
    "namesake_hits",
    "new_heads",
    "next_token_probabilities",
    "novel_shots",
    "overlaps",
    "pairs_of",
    "patched_end",
    "patched_ends",
    "patched_logits",
    "prob_diff",
    "probe_answers",
    "probe_relation",
    "prompt_ids",
    "question_table",
    "random_answers",
    "random_circuit",
    "random_mask",
    "rank",
    "read_counterfact",
    "read_eap_ig",
    "read_relation",
    "recalled",
    "relation",
    "relation_pairs",
    "relations",
    "repair_table",
    "reversal_questions",
    "rome",
    "run_circuit",
    "said",
    "sample_prefixes",
    "scaled_logits",
    "second_moment",
    "settled",
    "strength",
    "swap_first_hops",
    "taught_paraphrases",
    "tilt",
    "timing",
    "token_span",
    "trace_summary",
    "trace_table",
    "traced_prompts",
    "turned_logits",
    "warning_signs",
    "with_vector",
    "without_neurons",
    "write_eap_ig",
    "written_words",
    "year_diff",
]
