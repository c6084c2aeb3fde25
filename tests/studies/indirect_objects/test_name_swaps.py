"""Variants change what they say and nothing else; a patch at the end against hooks and at its two extremes."""

import pytest
import torch

from helpers import logit_diff
from helpers.studies.indirect_objects.name_swaps import VARIANTS, designed, name_swaps, patched_ends


@pytest.fixture(scope="module")
def swaps(atlas):
    return name_swaps(atlas, 12, seed=3)


def names(pairs, row):
    return pairs.answers[row].strip(), pairs.wrong[row].strip()


def test_each_variant_changes_what_it_says(swaps):
    assert tuple(swaps) == VARIANTS
    clean = swaps["third name"].clean
    for row, text in enumerate(clean):
        io, s = names(swaps["third name"], row)
        texts = {name: pairs.corrupt[row] for name, pairs in swaps.items()}
        assert (text.count(io), text.count(s)) == (1, 2)
        assert (texts["other subject"].count(io), texts["other subject"].count(s)) == (2, 1)
        assert (texts["third name"].count(io), texts["third name"].count(s)) == (1, 1)
        assert (texts["named once"].count(io), texts["named once"].count(s)) == (0, 1)
        assert sorted(texts["other order"]) == sorted(text) and texts["other order"] != text
        assert texts["other order"].rsplit(s, 1)[1] == text.rsplit(s, 1)[1]
        assert texts["other object"].replace(names(swaps["other object"], row)[1], io) == text
    assert all(pairs.clean == clean for pairs in swaps.values())


@pytest.mark.parametrize("order", ["ABBA", "BABA"])
def test_the_order_is_as_asked(atlas, order):
    pairs = name_swaps(atlas, 6, order=order, variants=["other subject"])["other subject"]
    assert pairs.clean == name_swaps(atlas, 6, order=order, variants=["third name"])["third name"].clean
    for row, text in enumerate(pairs.clean):
        io, s = names(pairs, row)
        assert (text.index(io) < text.index(s)) == (order == "ABBA")


def test_a_patch_is_what_hooks_do(atlas, swaps):
    pairs = swaps["other subject"].select(range(1))
    for layer in (0, 3):
        name = f"blocks.{layer}.hook_resid_post"
        _, cache = atlas.run_with_cache(pairs.corrupt_tokens, names_filter=name)

        def put(resid, hook, end=None):
            resid = resid.clone()
            resid[:, -1] = end
            return resid

        end = cache[name][:, -1]
        with torch.no_grad():
            hooked = atlas.run_with_hooks(
                pairs.clean_tokens, fwd_hooks=[(name, lambda r, hook, end=end: put(r, hook, end))]
            )[:, -1]
        assert (patched_ends(atlas, pairs, [layer + 1])[0] - hooked).abs().max() < 1e-3
        assert torch.equal(patched_ends(atlas, pairs, [layer + 1])[0], patched_ends(atlas, pairs)[layer + 1])


def test_the_extremes(small):
    model, pairs = small
    last = max(range(len(pairs)), key=lambda i: len(pairs.clean_ids[i]))
    one = pairs.select([last])
    corrupt = model(one.corrupt_tokens)[:, -1]
    assert (patched_ends(model, one)[2] - corrupt).abs().max() < 1e-3, "after the last layer nothing clean is left"


def test_atlas_reads_the_name_and_not_the_place(atlas, swaps):
    whole = logit_diff(swaps["other order"].clean_logits(atlas), swaps["other order"]).mean()
    order = logit_diff(patched_ends(atlas, swaps["other order"], [1])[0], swaps["other order"]).mean()
    assert order > 0.8 * whole


def test_bad_inputs_say_what_is_wrong(atlas, swaps):
    with pytest.raises(ValueError, match="choose from ABBA, BABA"):
        name_swaps(atlas, 1, order="AABB")
    with pytest.raises(ValueError, match="unknown variant 'twice'"):
        name_swaps(atlas, 1, variants=["twice"])
    with pytest.raises(ValueError, match="nothing after layer 9"):
        patched_ends(atlas, swaps["third name"], [9])


def test_designed_prompts_are_those_of_the_table(atlas, swaps):
    def other(a, b, s):
        return b if s == a else a

    for name, source in {
        "other subject": lambda a, b, s: (a, b, other(a, b, s)),
        "other order": lambda a, b, s: (b, a, s),
    }.items():
        assert designed(atlas, swaps[name], source).corrupt == swaps[name].corrupt
