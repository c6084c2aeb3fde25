"""A check says right, not attempted, or why not."""

import numpy as np
import pytest
import torch

from helpers.exercises.kit import Compared, Miss, Verdict, attempted, check, expect, mean_interval, number, two_ends


@check
def is_even(number) -> None:
    """``number`` is even."""
    expect(attempted(number) % 2 == 0, "<b>odd</b> & more")


def test_verdicts():
    assert is_even(2) == Verdict(True, "Right.")
    assert not is_even(3) and "odd" in repr(is_even(3))
    assert repr(is_even(None)) == "Not attempted yet."
    assert "&lt;b&gt;odd" in is_even(3)._repr_html_()
    with pytest.raises(TypeError):
        is_even("a learner's own error is shown as it is")


@check
def doubled(given, right, mistake) -> None:
    answer = Compared(attempted(given), right)
    answer.isnt(mistake, "halved")
    answer.is_right("not doubled")


def test_an_attempt_is_compared_with_the_right_answer_and_with_a_mistake():
    assert doubled(4.0, 4, 1.0) and doubled(torch.tensor([2.0, 4.0]), torch.tensor([2.0, 4.0]), torch.zeros(2))
    assert "halved" in repr(doubled(1.0, 4.0, 1.0)) and "not doubled" in repr(doubled(3.0, 4.0, 1.0))
    assert doubled(4.0, 4.0, 4.0), "a way that is wrong elsewhere may be right here"
    assert "not doubled" in repr(doubled(float("nan"), 4.0, 1.0))
    assert Compared(np.array([2.0, 1.0])[::-1], np.array([1.0, 2.0])).near([1.0, 2.0])
    assert Compared(103.0, 100.0, rtol=0.05).near(100.0) and not Compared(1 + 2e-6, 1.0).near(1.0)


def test_numbers_and_intervals():
    assert number(torch.tensor([2.5])) == 2.5 and number(3) == 3.0
    with pytest.raises(Miss, match="one number"):
        number("3")
    with pytest.raises(Miss, match="two numbers"):
        two_ends([1.0, 2.0, 3.0])
    low, high = mean_interval([0.0, 1.0] * 50, 0, 400)
    assert 0.38 < low < 0.45 < 0.55 < high < 0.62
    assert mean_interval([2.0, 2.0], 0, 10).tolist() == [2.0, 2.0]
