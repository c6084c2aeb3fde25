"""The committed tables of SmolLM2's circuits and paths say what the chapter says, from draws that share nothing."""

import pandas as pd

from helpers.studies.indirect_objects.real_circuits import CHECK, NAMES, SIZES, SWAP, TEST, TRAIN, contrast_pairs
from helpers.studies.indirect_objects.real_paths import DONORS, fall
from helpers.studies.tables import read_table


def test_draws_share_no_prompt_and_test_no_pair_of_names(atlas):
    for contrast in (SWAP, NAMES):
        pairs = contrast_pairs(atlas, contrast)
        assert [len(pairs[use]) for use in ("train", "check", "test")] == [TRAIN, CHECK, TEST]
        assert not set(pairs["train"].clean) & set(pairs["check"].clean)
        names = {use: {frozenset(two) for two in zip(p.answers, p.wrong, strict=True)} for use, p in pairs.items()}
        assert not names["test"] & (names["train"] | names["check"])


def test_the_size_was_chosen_on_check_pairs():
    table = read_table("indirect_circuits")
    for contrast in (SWAP, NAMES):
        check = table[(table.use == "check") & (table.searched == contrast)]
        assert tuple(check.edges) == SIZES
        nearest = check.edges[(check.faithfulness - 1).abs().idxmin()]
        judged = table[(table.use == "test") & (table.searched == contrast)]
        assert set(judged.edges) == {nearest} and set(judged.judged) == {SWAP, NAMES}


def test_a_place_for_one_head_and_a_name_for_the_other():
    place, name = "a20.h0, all it writes", "a23.h3, all it writes"
    assert fall(place, "other order").low > 0.7 * fall(place)
    assert abs(fall(name, "other order")) < 0.3 < 0.3 * fall(name)
    assert fall("a20.h0 -> movers' queries").low > 3 > abs(fall("a20.h0 -> movers' keys"))


def test_ends_begin_with_the_whole_model_and_end_with_the_source():
    table = read_table("indirect_ends")
    first = table[table.layers == 0].pivot(index="model", columns="donor", values="difference")
    assert (first.max(axis=1) - first.min(axis=1)).max() < 0.01
    last = table[table.layers == table.groupby("model").layers.transform("max")]
    last = last.pivot(index="model", columns="donor", values="difference")
    assert isinstance(last, pd.DataFrame) and set(last.columns) == set(DONORS)
    assert (last["other subject"] < 0).all() and (last["other order"] > 0).all()
