"""The committed tables are what the code gives, and hold what the book says of them."""

import pytest
import torch

from helpers import Graph
from helpers.atlas.wordings import asked_relations
from helpers.searches.attribution import SHARE
from helpers.studies.edge_pruning.relation_table import PAIRS, both_halves, paper_row, relation_row
from helpers.studies.tables import read_table


@pytest.mark.parametrize("name", ["country_language", "comparative"])
def test_a_row_is_what_the_code_gives(atlas, name):
    row, kept = relation_row(atlas, name), read_table("relations").set_index("relation").loc[name]
    for column in kept.index.drop("kind"):
        assert kept[column] == pytest.approx(row[column], abs=0.02), column


def test_a_row_of_the_papers_method_is_what_the_code_gives(atlas2):
    name = "country_continent"
    row, kept = paper_row(atlas2, name), read_table("acdc").set_index("relation").loc[name]
    for column in kept.index.drop("kind"):
        assert kept[column] == pytest.approx(row[column], abs=0.02 if column != "edges" else 1), column


def test_the_bars(atlas):
    """A circuit of at most 3 % of the edges keeps nine tenths and 95 % of the hits, a random one under 5 %."""
    table = read_table("relations")
    assert set(table.relation) == set(asked_relations()) and len(table) >= 12
    assert set(table.kind) == {"factual", "commonsense", "linguistic", "bias"}
    assert (table.edges <= SHARE * Graph.from_model(atlas).n_edges).all()
    assert table.faithfulness.median() >= 0.90
    assert (table.hit1 / table.model_hit1).median() >= 0.95
    assert table.random_faithfulness.max() < 0.05 and table.random_best.median() < 0.05


def test_halves_are_disjoint_and_large(atlas):
    pairs = both_halves(atlas, "antonym")
    assert {split: len(p) for split, p in pairs.items()} == PAIRS
    assert not set(pairs["train"].clean + pairs["train"].corrupt) & set(pairs["test"].clean + pairs["test"].corrupt)
    assert torch.equal(pairs["test"].clean_logits(atlas).argmax(-1), pairs["test"].answer_ids)


def test_a_table_that_is_not_there_lists_the_others():
    with pytest.raises(FileNotFoundError, match="'relation'; there are acdc,.*relations"):
        read_table("relation")
