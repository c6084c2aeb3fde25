"""Numbers of groups: by hand, and paired with their controls."""

import pandas as pd
import pytest

from helpers import read_network, relation
from helpers.studies.hallucination.contests import EQUAL, RIGHT, WRONG, contests, look
from helpers.studies.hallucination.questions import fact_questions
from helpers.studies.hallucination.views import by_exposures, excess, grouped_area


def test_areas_over_groups():
    score, right = pd.Series([3, 2, 1, 4, 0, 0]), pd.Series([1, 1, 0, 1, 0, 0])
    area = grouped_area(score, right, pd.Series(list("aabbcc")))
    assert area == area.high == 1 and area.low >= 0.5, "a draw without a wrong answer tells nothing"
    mixed = grouped_area(pd.Series([1, 2, 3, 4]), pd.Series([1, 0, 0, 1]), pd.Series(range(4)))
    assert mixed == pytest.approx(0.5) and mixed.low < 0.5 < mixed.high


def test_excess_is_question_by_question():
    rows = pd.DataFrame({"way": [WRONG, EQUAL] * 3, "ahead": [1, 0, 1, 1, 0, 0], "relation": list("aabbcc")})
    value = excess(rows)
    assert value == pytest.approx(1 / 3) and 0 <= value.low < value.high <= 1


def test_ways_by_exposures(atlas2):
    towns = relation("person_hometown").facts
    facts = [f for n in (0, 300) for f in [t for t in towns if t.exposures == n][:8]]
    ways = by_exposures(atlas2, facts, (0,))
    net, asked = read_network(atlas2), fact_questions(atlas2, facts, (0,))
    found = contests(asked, net.unembed(look(net, asked).last[-1]))
    assert ways.way.tolist() == [row[1] for row in found]
    often, never = (ways[ways.exposures == n] for n in (300, 0))
    assert (often.way == RIGHT).mean() > (never.way == RIGHT).mean()
    assert set(ways.subject) <= {fact.subject for fact in facts}
