"""Numbers of groups: by hand, and paired with their controls."""

import pandas as pd
import pytest

from helpers import read_network, relation
from helpers.studies.hallucination.contests import EQUAL, RIGHT, WRONG, contests, look
from helpers.studies.hallucination.questions import fact_questions
from helpers.studies.hallucination.views import by_exposures, excess, grouped_area, grouped_gap


def test_areas_over_groups():
    score, right = pd.Series([3, 2, 1, 4, 0, 0]), pd.Series([1, 1, 0, 1, 0, 0])
    area = grouped_area(score, right, pd.Series(list("aabbcc")))
    assert area == 1 and area.low == area.high == 1
    mixed = grouped_area(pd.Series([1, 2, 3, 4]), pd.Series([1, 0, 0, 1]), pd.Series(range(4)))
    assert mixed == pytest.approx(0.5) and mixed.low < 0.5 < mixed.high


def test_gaps_over_groups():
    groups = pd.Series(["a", "a", "b", "b", "c"])
    first, second = pd.Series([1.0, 0.0, 1.0], [0, 2, 4]), pd.Series([0.0, 1.0], [1, 3])
    gap = grouped_gap(first, second, groups)
    assert gap == pytest.approx(2 / 3 - 1 / 2) and gap.low < gap < gap.high


def test_excess_is_question_by_question():
    rows = pd.DataFrame({"way": [WRONG, EQUAL] * 3, "ahead": [1, 0, 1, 1, 0, 0], "relation": list("aabbcc")})
    value = excess(rows)
    assert value == pytest.approx(1 / 3) and 0 <= value.low < value.high <= 1


def test_ways_by_exposures(atlas2):
    facts = [f for f in relation("person_hometown").facts if f.exposures in (0, 300)][:12]
    ways = by_exposures(atlas2, facts, (0,))
    net, asked = read_network(atlas2), fact_questions(atlas2, facts, (0,))
    found = contests(asked, net.unembed(look(net, asked).last[-1]))
    assert ways.way.tolist() == [row[1] for row in found]
    often, never = (ways[ways.exposures == n] for n in (300, 0))
    assert (often.way == RIGHT).mean() > (never.way == RIGHT).mean()
    assert set(ways.subject) <= {fact.subject for fact in facts}
