"""The second Atlas has heads for S-inhibition between those that copy: the committed names are what the rules give."""

from helpers.atlas.skills import indirect_object_pairs
from helpers.circuits.metrics import logit_diff
from helpers.components.heads import ablate_heads, random_heads_like
from helpers.models.load import load_model
from helpers.studies.indirect_objects.real_heads import named_heads
from helpers.studies.tables import read_table


def test_the_named_heads_of_the_second_atlas_and_what_their_loss_does():
    model, table = load_model("atlas2", device="cpu"), read_table("atlas2_skill_heads")
    kept = table[table.model == "atlas2"].set_index("head")
    now = named_heads(model).set_index("head")
    assert now["class"].to_dict() == kept["class"].to_dict()
    assert (now.effect_via_queries - kept.effect_via_queries).abs().max() < 0.01
    inhibiting = kept[kept.fits.str.contains("S-inhibition")].index.tolist()
    assert inhibiting and (kept.to_s2[inhibiting] > 0.8).all()
    pairs = indirect_object_pairs(model, 24, split="test")
    whole, without, other = (
        logit_diff(ablate_heads(model, pairs, heads), pairs).mean()
        for heads in ([], inhibiting, random_heads_like(model, inhibiting))
    )
    assert without < 0.4 * whole and other > 0.7 * whole
