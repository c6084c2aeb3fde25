"""The committed tables are what the code gives: single rows of each model, computed again."""

import pytest

from helpers.atlas.card import shipped
from helpers.atlas.corpora import PEOPLE, world
from helpers.atlas.sample import corpus_covariance
from helpers.atlas.training import RUNS
from helpers.models.load import load_model
from helpers.prompts.facts import relation_pairs
from helpers.studies.edit_places import judged_at
from helpers.studies.patching_maps import map_rows
from helpers.studies.tables import read_table
from helpers.studies.where_facts_are_kept import edits, places, probes

TOPIC = "resident_town"
EACH = pytest.mark.parametrize("name", [name for name in shipped() if RUNS[name].corpus in PEOPLE])


def stored(table: str, name: str):
    rows = read_table(table)
    return rows[(rows.model == name) & (rows.relation == TOPIC)]


@EACH
def test_patched_and_fetched_shares(name):
    model, told = load_model(name, device="cpu"), RUNS[name].corpus
    asked = next(t for group, t in places.by_name(told) if group == "2 words" and t.name == TOPIC)
    pairs = relation_pairs(model, asked, places.PAIRS, paraphrase=places.TEMPLATE)
    now = map_rows(model, pairs, window=1).set_index(["part", "role", "layer"]).share.sort_index()
    kept = (
        stored("fact_places", name).query("name == '2 words'").set_index(["part", "role", "layer"]).share.sort_index()
    )
    assert (now - kept.drop("heads")).abs().max() < 2e-3
    fetched = places.fetched_rows(model, pairs).set_index("layer").share
    assert (fetched - kept["heads", "subject last"]).abs().max() < 2e-3


@EACH
def test_probed_names(name):
    model = load_model(name, device="cpu")
    table = next(t for t in world(RUNS[name].corpus) if t.name == TOPIC)
    kept = stored("name_probes", name).set_index(["words", "layer"]).right
    for part in probes.probe_rows(model, [table]):
        if (layer := int(part.layer.iloc[0])) in (0, 2):
            now = part.set_index("words").right
            assert (now - kept.xs(layer, level="layer")).abs().max() < 0.08, "an answer or two may turn on rounding"


def test_edits_at_the_subject():
    """Of one model and layer; the table of grafts isn't computed again, as each of its lessons takes a minute."""
    model, layer = load_model("atlas2", device="cpu"), edits.LAYERS[0]
    kept = read_table("edit_places").query("model == 'atlas2' and layer == @layer and place == 'subject_last'")
    covariance = corpus_covariance(model, layer, told="profiles")
    for request in edits.requests(model, "profiles", edits=1):
        now = judged_at(model, request, layer, "subject_last", covariance).set_index("score").value
        own = kept[(kept.relation == request.relation) & (kept.subject == request.subject)].set_index("score").value
        assert set(own.index) == set(now.index) and (now - own).abs().max() < 0.1, request.subject
