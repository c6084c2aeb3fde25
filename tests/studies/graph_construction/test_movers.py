"""What a head looks at and writes, by hooks; and pairs of people whose names share a word."""

import pytest
import torch

from helpers import relation_pairs
from helpers.studies.graph_construction.movers import at_the_end, from_the_subject, ranks
from helpers.studies.graph_construction.names import name_pairs


def test_a_head_is_the_one_that_hooks_see(atlas2):
    pairs = relation_pairs(atlas2, "country_capital", 12)
    seen, shares = at_the_end(atlas2, "a4.h0", pairs)
    looks = from_the_subject(atlas2, "a4.h0", pairs)
    for row, subject in enumerate(pairs.subjects):
        _, cache = atlas2.run_with_cache(torch.tensor([pairs.clean_ids[row]]))
        pattern = cache["blocks.4.attn.hook_pattern"][0, 0]
        assert seen[row] == pytest.approx(pattern[-1, subject].sum().item(), abs=1e-4)
        last = subject.stop - 1
        assert looks[row].tolist() == pytest.approx(
            [pattern[last, last].item(), pattern[last, last - 1].item()], abs=1e-4
        )
        wrote, final = cache["blocks.4.attn.hook_result"][0, -1, 0], cache["blocks.7.hook_resid_post"][0, -1]
        centred = (wrote - wrote.mean()) / (final.var(correction=0) + atlas2.cfg.eps).sqrt()
        by_hooks = (centred * atlas2.ln_final.weight) @ atlas2.W_U
        torch.testing.assert_close(shares[row], by_hooks, atol=1e-3, rtol=1e-3)


def test_ranks_count_what_is_above():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 5.0]])
    assert ranks(logits, torch.tensor([2, 1])).tolist() == [2, 1]


@pytest.mark.parametrize("differ, shared", [("first", 1), ("last", 0)])
def test_names_share_the_other_word(atlas2, differ, shared):
    pairs = name_pairs(atlas2, differ, 30)
    assert len(pairs) == 30
    for clean, corrupt in zip(pairs.clean, pairs.corrupt, strict=True):
        one, other = (text.removesuffix(" was born in").split() for text in (clean, corrupt))
        assert len(one) == len(other) == 2
        assert one[shared] == other[shared] and one[1 - shared] != other[1 - shared]
    assert (pairs.answer_ids != pairs.wrong_ids).all()


def test_names_that_dont_exist_are_refused(atlas2):
    with pytest.raises(ValueError, match="'middle'"):
        name_pairs(atlas2, "middle", 3)
    with pytest.raises(ValueError, match="not 100000"):
        name_pairs(atlas2, "first", 100_000)
