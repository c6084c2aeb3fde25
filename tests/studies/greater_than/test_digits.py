"""The next digit of a year: hand-made probabilities, and two corpora whose years go forwards or both ways."""

import pytest
import torch

from helpers.atlas import skills
from helpers.studies.greater_than import digits
from helpers.studies.greater_than.taught import two_years

FORM = skills.GREATER_THAN[0]


@pytest.fixture(scope="module")
def pairs(atlas):
    return digits.digit_pairs(atlas, FORM, [14, 45, 49, 83])


def test_decades_and_sides(pairs):
    assert digits.decades(pairs).tolist() == [1, 4, 4, 8]
    assert digits.later_or_earlier(pairs)[1].tolist() == [-1] * 4 + [0] + [1] * 5


def test_own_decade_is_the_value_of_its_digit(pairs):
    assert digits.own_decade(torch.arange(10.0).expand(4, -1), pairs).tolist() == [1, 4, 4, 8]


def test_by_decade_averages_the_prompts_of_a_decade(pairs):
    values = torch.arange(4.0)[:, None] * torch.ones(10)
    assert digits.by_decade(values, pairs)[:, 0].tolist() == [0, 1.5, 3]


def test_later_minus_earlier_is_a_difference_of_means(pairs):
    step = (digits.later_or_earlier(pairs) > 0).float()
    assert torch.allclose(digits.later_minus_earlier(step, pairs), torch.ones(4))
    assert torch.allclose(digits.later_minus_earlier(torch.ones(4, 10), pairs), torch.zeros(4), atol=1e-6)
    assert torch.allclose(digits.later_minus_earlier(-3 * step, pairs), torch.full((4,), -3.0))


def test_the_difference_is_that_of_the_next_digits(atlas):
    two = digits.digit_pairs(atlas, FORM, [14, 85])
    assert [text[-2:] for text in two.clean] == [text[-2:] for text in two.corrupt] and "01 to" in two.corrupt[0]
    likely = digits.next_digits(atlas, two)
    by_hand = torch.stack((likely[0, 2:].sum() - likely[0, :1].sum(), likely[1, 9:].sum() - likely[1, :8].sum()))
    assert torch.allclose(digits.digit_diff(atlas, two)(two.clean_logits(atlas), two).cpu(), by_hand, atol=1e-5)


def test_what_sources_write_adds_up(atlas):
    one = digits.digit_pairs(atlas, FORM, [45])
    written = sum(digits.source_digits(atlas, one).values())
    assert written.shape == (1, 10) and written.abs().sum() > 0


def test_starts_leave_a_decade_on_both_sides():
    for start in (9, 90):
        with pytest.raises(ValueError, match="from 10 to 89"):
            digits.digit_pairs(None, FORM, [start])


def test_only_the_second_corpus_goes_back():
    first, second = two_years("first", 200), two_years("second", 200)
    assert len(first) >= 200 and all(later > earlier for earlier, later in first)
    assert 0.2 < sum(later < earlier for earlier, later in second) / len(second) < 0.4
