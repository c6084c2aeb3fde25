"""The committed tables of heads are what the code gives."""

import pytest

from helpers import Graph
from helpers.prompts.relations import relation
from helpers.studies.heads import firmness
from helpers.studies.heads.head_tables import ATLAS, Question, atlas_questions, names_rows, read_heads, wrong_type
from helpers.studies.heads.knockouts import KNOCKED, knockout_rows
from helpers.studies.heads.routes import LETTERS, brought_directly, brought_ranks, classify, measured_heads
from helpers.studies.tables import read_table

TOWN = ("resident_town", 2)


@pytest.fixture(scope="module")
def asked(atlas2):
    found = {(q.table.name, q.tokens): (q, pairs) for q, pairs in atlas_questions(atlas2)}
    assert set(found) == set(read_heads())
    return found


def test_measured_rows_are_what_the_code_gives(atlas2, asked):
    question, pairs = asked[TOWN]
    again, kept = classify(measured_heads(atlas2, pairs)), read_heads()[TOWN]
    assert all(subject.stop - subject.start == question.tokens for subject in pairs.subjects)
    for column in ("to_subject", "from_relation_type", "effect_from_subject", "direct_from_subject", "model_diff"):
        assert kept[column].to_numpy() == pytest.approx(again[column].to_numpy(), abs=0.01), column
    assert kept["class"].tolist() == again["class"].tolist()


def test_a_row_of_names_is_what_the_code_gives(atlas2, asked):
    table = read_table("head_names").query("model == @ATLAS[0]")
    row = table.iloc[0]
    question, _ = asked[row.relation, row.tokens]
    again = names_rows(atlas2, question).set_index("setting").classes
    kept = table.query("relation == @row.relation and tokens == @row.tokens").set_index("setting").classes
    for setting, classes in again.items():
        assert sum(a != b for a, b in zip(kept[setting], classes, strict=True)) <= 1, setting


def test_a_row_of_knockouts_is_what_the_code_gives(atlas2, asked):
    table = read_table("head_knockouts").query("model == @ATLAS[0]")
    key = table.relation.iloc[0], table.tokens.iloc[0]
    classes = read_heads()[key].set_index("head")["class"]
    kept = table.query("relation == @key[0] and tokens == @key[1]").set_index("class")
    for row in knockout_rows(atlas2, asked[key][0], classes):
        for column in ("heads", "answer", "type", "random_answer", "random_type"):
            assert kept.loc[row["class"], column] == pytest.approx(row[column], abs=0.05), column


def test_the_real_models_routes_are_what_the_code_gives(smollm2):
    template = read_table("smollm2_knows").query("model == 'smollm2' and known > 0").set_index("relation").template
    pairs = Question(relation("antonym"), 0, int(template["antonym"])).pairs(smollm2)
    kept = read_heads("smollm2")["antonym", 0]
    assert kept.direct_from_subject.to_numpy() == pytest.approx(
        brought_directly(smollm2, pairs).flatten().numpy(), abs=0.02
    )
    head = kept.loc[kept.effect_share.idxmax()]
    ranks = brought_ranks(smollm2, pairs, [head["head"]])[0].tolist()
    assert ranks == pytest.approx([head.rank_answer, head.rank_subject], rel=0.1) and min(ranks) >= 1


def test_the_tables_are_complete(atlas2):
    graph, table = Graph.from_model(atlas2), read_table("heads")
    assert set(table.model) == set(ATLAS)
    sizes = table.groupby(["model", "relation", "tokens"]).size()
    assert sizes.eq(graph.n_layers * graph.n_heads).all()
    names, cut = read_table("head_names"), read_table("head_knockouts")
    assert set("".join(names.classes)) <= set(LETTERS.values())
    assert set(cut["class"]) == set(KNOCKED)
    assert len(read_heads("smollm2")) == read_table("smollm2_heads").relation.nunique()


def test_a_relations_own_answers_as_the_type_keep_its_relation_heads(atlas2, asked):
    question, pairs = asked[TOWN]
    first = read_heads()[TOWN]
    wrong = wrong_type(atlas2, question, first)
    assert len(wrong) == len(first)
    assert (wrong["class"] == "relation").sum() <= (first["class"] == "relation").sum() + 2


def test_agreement_sets_empty_classes_aside():
    none, one = ["none"] * 4, ["relation", "none", "none", "none"]
    assert firmness.agreement(none, none, "relation heads") is None
    assert firmness.agreement(none, one, "relation heads") == 0.0
    assert firmness.agreement(one, one, "relation heads") == 1.0
    assert firmness.agreement(one, one, "all classes") == 1.0


def test_unknown_models_are_refused():
    with pytest.raises(ValueError, match="they have atlas2, atlas2-seed1, smollm2"):
        read_heads("gpt2")


def test_without_other_facts_only_relations_are_compared():
    found = firmness.agreements("smollm2", "all classes")
    assert set(found) == {"another relation", "another relation, by chance"}
    own, chance = found.values()
    assert len(own) == len(chance) == len(read_heads("smollm2")) and own.mean() > chance.mean()
