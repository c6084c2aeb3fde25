"""What the chapter shows of the tables."""

import pytest

from helpers.studies.in_context_learning import views
from helpers.studies.in_context_learning.demonstrations import PARTS
from helpers.studies.in_context_learning.drawing import two_swaps


@pytest.mark.parametrize("model", ["smollm2", "atlas2"])
def test_every_view_has_its_numbers(model):
    answers = views.answers(model)
    assert {"0", "5", "sentence", "shuffled"} <= set(answers) and answers["5"].between(0, 1).all()
    misled = views.misled(model)
    assert misled["right labels"] == pytest.approx(answers["5"].mean())
    overlaps = views.overlap_means(model)
    assert overlaps["sentence, permuted heads"] < overlaps["sentence and sentence"]
    each = views.overlap_rows(model)
    assert each.sentence[each.known].mean() == pytest.approx(overlaps["sentence and sentence"])
    assert {len(looks) for looks in views.looks(model).values()} == {len(PARTS) - 1}
    assert "its own" in views.vectors(model) and "ten other heads" in views.vectors(model)
    assert set(views.mean_costs(model)) <= set(views.SETS)
    assert views.prefers_demonstrations(model) > 0
    gap = views.cost_gap(model, views.VECTOR, views.INDUCTION)
    assert gap == pytest.approx(views.mean_costs(model)[views.VECTOR] - views.mean_costs(model)[views.INDUCTION])
    assert len(views.head_scores(model)) == len(set(views.head_scores(model)["head"]))


def test_the_papers_numbers_stand_beside_ours():
    table = views.beside_paper("smollm2")
    assert all(table["paper, new"][n].startswith(f"{views.PAPER[n][0]:.0f} ") for n in table.index if n in views.PAPER)
    assert "\N{RIGHTWARDS ARROW}" in table[views.NEW].iloc[0]


def test_relations_that_were_listed():
    table = views.listed("atlas2")
    assert not table.listed["novel_author"] and table.listed["antonym"] and table.value.between(0, 1).all()


def test_the_drawing_has_both_swaps():
    html = two_swaps().data
    assert html.count("<svg") == 2 and "rich" in html and "Maine" in html
