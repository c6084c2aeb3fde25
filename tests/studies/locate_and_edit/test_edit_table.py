"""The committed table of editors is what the code gives, and holds the bars."""

import pytest

from helpers.editing.requests import edit_requests
from helpers.studies.locate_and_edit.edit_table import METHODS, SEED, edit_rows, relation_rows
from helpers.studies.tables import ASKED, BEST, EDITS, FRESH, read_table


@pytest.fixture(scope="module")
def table():
    return read_table("edits").set_index(["method", "layer", "score", "kind", "measure"])


def best(table, score, kind="all", measure="beats"):
    return table.loc[(*BEST, score, kind, measure)]


def test_the_bars(table):
    assert best(table, "efficacy").edits == len(ASKED) * EDITS >= 100
    assert best(table, "efficacy").value >= 0.99 and best(table, "efficacy", measure="top1").value >= 0.99
    assert best(table, "paraphrase").value >= 0.95 and best(table, "paraphrase", "held out").value >= 0.95
    assert best(table, "paraphrase", "held out", "top1").value >= 0.95
    assert best(table, "neighbourhood").value >= 0.95 and best(table, "neighbourhood").low >= 0.95
    assert best(table, "efficacy").seconds < 1


def test_why_paraphrases_fail(table):
    """At the subject's last token they fail at every layer; with the prompt alone they are fewer everywhere."""
    held_out = table.xs(("paraphrase", "held out", "beats"), level=["score", "kind", "measure"]).value
    assert held_out["ROME, subject's last token, prompt alone"].max() < 0.8
    assert (held_out["ROME, last token, prompt alone"] < held_out[BEST[0]]).all()


def test_a_relation_is_what_the_code_gives(atlas):
    name = "element_symbol"
    rows = relation_rows(atlas, edit_requests(atlas, name, EDITS, FRESH)).set_index(["score", "measure"])
    committed = read_table("edits_by_relation").set_index(["relation", "score", "measure"]).loc[name]
    assert committed.value.to_dict() == pytest.approx(rows.value.to_dict(), abs=0.03)


def test_fresh_requests_hold_the_bars_too(table):
    """The layer was chosen on the requests of the table, nothing on those of the relations."""
    assert FRESH not in (0, SEED)
    by_relation = read_table("edits_by_relation")
    assert set(by_relation.relation) == set(ASKED)
    for score in ("efficacy", "paraphrase", "neighbourhood"):
        part = by_relation[(by_relation.score == score) & (by_relation.measure == "beats")]
        assert (part.edits == EDITS).all()
        assert part.value.mean() >= 0.95 and part.value.mean() == pytest.approx(best(table, score).value, abs=0.03)


def test_every_editor_gives_its_rows(atlas):
    requests = edit_requests(atlas, "person_employer", 2, SEED)
    for method in ("FT-L, 3 wordings", "fine-tuning, 3 wordings", "ROME, subject's last token, prompt alone"):
        rows = edit_rows(atlas, method, METHODS[method][2][0], requests)
        assert set(rows.score) >= {"efficacy", "paraphrase", "neighbourhood"} and (rows.edits <= 2).all()
        assert (rows.low <= rows.value).all() and (rows.value <= rows.high).all()


def test_the_table_has_every_editor_at_each_of_its_layers():
    table = read_table("edits")
    assert table.groupby("method", sort=False).layer.unique().map(tuple).to_dict() == {
        name: layers for name, (*_, layers) in METHODS.items()
    }
