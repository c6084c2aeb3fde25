"""The tables of two steps: who is host and who donor, which layers; what is committed agrees with itself."""

import pandas as pd

from helpers.studies.tables import read_table
from helpers.studies.two_hops_and_reversal import hops_table
from helpers.studies.two_hops_and_reversal.questions import CIRCLES, asked, questions
from helpers.studies.two_hops_and_reversal.readings import WORDS, read_ranks


def test_hosts_have_as_many_bridges_as_possible():
    table = pd.DataFrame({"kind": "k", "bridge": list("aaaaabbc"), "subject": list("stuvwxyz")})
    hosts = hops_table.hosts_of(table, 4)
    assert len(hosts) == 4 and hosts.bridge.nunique() == 3
    assert hosts.equals(hops_table.hosts_of(table, 4))


def test_stops_are_after_mlps():
    assert hops_table.layer_stops("atlas2", 8) == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert hops_table.layer_stops("smollm2", 30)[:3] == [2, 8, 14]


def test_donors_are_drawn_from_their_cases():
    rows = [("told", True, True), ("told", False, True), ("held out", True, True), ("held out", False, False)]
    table = pd.DataFrame(rows, columns=["case", "right", "first_right"])
    own = hops_table.pools("atlas2", table)
    assert own["told"].index.tolist() == [0] and own["never told"].index.tolist() == [2, 3], "Right or wrong."
    real = hops_table.pools("smollm2", table)
    assert real["told"].index.tolist() == [0, 2] and real["never told"].index.tolist() == [1]


def test_committed_answers_are_what_the_model_says(atlas2):
    table = questions("atlas2").query("kind == 'languages'").head(15)
    found = asked(atlas2, table)[hops_table.KEPT].reset_index(drop=True)
    committed = read_table("hops_asked").query("model == 'atlas2' and kind == 'languages'").head(15)
    assert found.equals(committed[hops_table.KEPT].reset_index(drop=True))


def test_committed_swaps_are_complete():
    swaps = read_table("hops_swaps")
    assert set(swaps.model) == {"smollm2", *hops_table.ATLASES, *CIRCLES}
    assert swaps.groupby("model").place.nunique().eq(2).all()
    told = swaps.query("model == 'smollm2' and donor == 'told' and place == 'description'")
    assert told.groupby("layer").size().nunique() == 1 and told[["brought", "kept"]].sum(axis=1).le(1).all()


def test_readings_end_with_what_is_said(atlas2):
    table = asked(atlas2, questions("atlas2").query("kind == 'capitals'").head(20))
    some = table[table.right].reset_index(drop=True)
    found = read_ranks(atlas2, some, "end", [0, 16])
    assert len(found) == 2 * len(some) and found[list(WORDS)].stack().between(0, 1).all()
    assert (found[found.stop == 16].answer == 1).all(), "A right answer is ahead of all others at the end."
