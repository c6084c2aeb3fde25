"""Verdicts begin with what their numbers say, and a chapter's table has one shape."""

import pytest
from bs4 import BeautifulSoup

from helpers.statistics import Estimate
from helpers.studies.verdicts import Claim, above, answer_of, claims_table, for_each, says

HALF = Estimate(0.6, 0.4, 0.8)


def test_a_cell_says_yes_no_or_open():
    assert says("9 of 10", True) == "yes: 9 of 10" and says(0.123, False) == "no: 0.12"
    assert says(HALF, False, False) == "open: 0.60 [0.40, 0.80]"
    assert above(HALF).startswith("yes") and above(HALF, 0.9).startswith("no")
    assert above(HALF, 0.5, shown="{} logits") == "open: 0.60 [0.40, 0.80] logits"


def test_several_cases_may_differ():
    assert for_each("3, 4", [True, True]) == "yes: 3, 4" and for_each("3, -4", [True, False]) == "mixed: 3, -4"
    assert for_each("none", [False, False]) == "no: none" and for_each("nothing asked", []).startswith("no")


@pytest.mark.parametrize(
    ("real", "atlas", "agree"),
    [
        ("yes: 1", "yes: 2", "yes"),
        ("yes: 1", "no: 2", "yes in SmolLM2, no in Atlas"),
        ("can't be asked: nobody counted", "open: 2", "open in Atlas"),
        ("not measured", "-", "not judged"),
        ("no: 1", {"Atlas": "no: 2", "another seed": "no: 3"}, "no"),
        ("no: 1", {"Atlas": "yes: 2", "another seed": "no: 3"}, "no in SmolLM2, mixed in Atlas"),
        ("no: 1", "yes: 2; yes: 3", "no in SmolLM2, yes in Atlas"),
    ],
)
def test_agreement_follows_from_the_cells(real, atlas, agree):
    assert Claim("it does", "Somebody 2020", real, atlas).agree == agree


def test_a_cell_without_an_answer_has_none():
    assert answer_of("not measured", "4 of 5", "yesterday: none") == ""


def test_the_table_can_be_read_back():
    claims = [Claim("a < b", "A & B 2020", "yes: 1", "no: <2>"), Claim("c", "C 2021", "-", "open: 3")]
    table = claims_table(claims)
    soup = BeautifulSoup(table._repr_html_(), "html.parser")
    assert [th.get_text() for th in soup.select("thead th")] == ["claim", "SmolLM2", "Atlas", "agree?"]
    (first, _) = soup.select("tbody tr")
    assert first.th.get_text() == "a < b (A & B 2020)" and first.th["data-source"] == "A & B 2020"
    assert [(td.get("data-model"), td.get_text()) for td in first.select("td")] == [
        ("SmolLM2", "yes: 1"), ("Atlas", "no: <2>"), (None, "yes in SmolLM2, no in Atlas")
    ]  # fmt: skip
    assert "a < b (A & B 2020) | SmolLM2 yes: 1" in repr(table)


def test_a_table_is_short_and_of_one_shape():
    one = Claim("a", "A 2020", "yes: 1", "no: 2")
    with pytest.raises(ValueError, match="one to 5"):
        claims_table([])
    with pytest.raises(ValueError, match="stands twice"):
        claims_table([one, one])
    with pytest.raises(ValueError, match="same models"):
        claims_table([one, Claim("b", "A 2020", "yes: 1", {"Atlas": "no: 2", "another seed": "no: 2"})])
