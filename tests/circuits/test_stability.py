"""What stays of a search in resampled pairs is counted by hand."""

import pytest
import torch

from helpers import eap
from helpers.circuits.stability import stability


def test_stability_is_that_of_resampled_pairs(small):
    """The draws are those of a generator with the seed; their overlaps and signs are compared by hand."""
    model, pairs = small
    found = stability(model, eap, pairs, size=10, draws=4, seed=3)
    generator, scores = torch.Generator().manual_seed(3), []
    for _ in range(4):
        places = torch.randint(len(pairs), (len(pairs),), generator=generator)
        scores.append(eap(model, pairs.select(places)))
    tops = [set(s.top(10).edges) for s in scores]
    each = [len(a & b) / len(a | b) for i, a in enumerate(tops) for b in tops[i + 1 :]]
    assert float(found.jaccard) == pytest.approx(sum(each) / len(each))
    assert found.jaccard.low <= found.jaccard <= found.jaccard.high
    same = torch.stack([s.values > 0 for s in scores])
    both = (same.all(0) | (~same).all(0)) & scores[0].graph.edges & (scores[0].values != 0)
    assert torch.equal(found.same_sign, both)
    assert [c.edges for c in found.circuits] == [s.top(10).edges for s in scores]


def test_a_search_that_gives_the_same_is_stable(small):
    model, pairs = small
    fixed = eap(model, pairs)
    found = stability(model, lambda *_: fixed, pairs, size=10, draws=3)
    assert found.jaccard == 1 and found.same_sign.sum() == (fixed.values != 0).sum()
