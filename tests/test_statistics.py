"""Numbers with their intervals: what they cover, by hand, and as tables."""

import copy
import math

import pytest
import torch

from helpers.statistics import Estimate, bootstrap, exact_interval, judge, with_interval
from helpers.studies.hallucination.views import grouped_mean
from helpers.studies.tables import percent_table


def test_the_bootstrap_interval_covers():
    """Of many samples with a known mean, about 95 of 100 intervals hold it."""
    generator = torch.Generator().manual_seed(0)
    hits = []
    for _ in range(200):
        estimate = bootstrap(lambda x: x.mean(-1), torch.randn(40, generator=generator))
        hits.append(estimate.low <= 0 <= estimate.high)
    assert 0.88 < sum(hits) / len(hits) < 0.99
    one = bootstrap(lambda x: x.mean(-1), torch.tensor([1.0, 2.0]))
    again = copy.deepcopy(one)
    assert again == one and (again.low, again.high) == (one.low, one.high)
    assert repr(bootstrap(lambda x: x.mean(-1), torch.ones(5))) == "1.000 [1.000, 1.000]"
    nothing = with_interval([])
    empty = grouped_mean(torch.tensor([]), [])
    assert nothing != nothing and empty != empty and percent_table({"a": {"b": nothing}}).loc["a", "b"] == "-"


def test_a_grouped_mean_draws_whole_groups():
    values = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    alone = grouped_mean(values, range(8))
    plain = bootstrap(lambda drawn: drawn.mean(-1), values)
    assert (alone, alone.low, alone.high) == (plain, plain.low, plain.high), "groups of one are the plain bootstrap"
    repeated = grouped_mean(values.repeat_interleave(5), [i // 5 for i in range(40)])
    assert (repeated, repeated.low, repeated.high) == pytest.approx((plain, plain.low, plain.high))
    naive = bootstrap(lambda drawn: drawn.mean(-1), values.repeat_interleave(5))
    assert repeated.high - repeated.low > 1.5 * (naive.high - naive.low)
    uneven = grouped_mean(torch.tensor([1.0, 1.0, 1.0, 0.0]), ["a", "a", "a", "b"])
    assert uneven == 0.75 and (uneven.low, uneven.high) == (0, 1)


def test_with_interval_by_hand():
    drawn = with_interval([0.0, 1.0, 1.0, 1.0])
    assert drawn == 0.75 and drawn.low < 0.75 <= drawn.high == 1
    assert repr(drawn) == repr(bootstrap(lambda v: v.mean(-1), torch.tensor([0.0, 1.0, 1.0, 1.0])))
    assert with_interval([0.5, 0.5]).low == 0.5
    assert with_interval([False, True, True, True]) == grouped_mean([0, 1, 1, 1]) == drawn, "each a group of its own"


def test_percent_tables():
    def cells(estimates):
        return percent_table(estimates).map(lambda text: text.replace("\N{NO-BREAK SPACE}", " "))

    whole, wide = Estimate(1.0, 1.0, 1.0), Estimate(0.251, 0.1, 0.499)
    assert wide.brief() == "0.25 [0.10, 0.50]"
    table = cells({"a": {"x": whole, "y": wide}, "b": {"x": wide, "y": Estimate(-0.001, -0.2, 0.1)}})
    assert table.loc["a"].tolist() == ["100 [100, 100]", "25 [10, 50]"]
    assert table.loc["b"].tolist() == ["25 [10, 50]", "0 [-20, 10]"], "there is no minus zero"
    assert cells({("a", "b"): {"x": whole}}).index.nlevels == 2


def test_an_exact_interval_has_a_width_where_all_or_none_hit():
    for n in (1, 5, 30):
        none, all_ = exact_interval(0, n), exact_interval(n, n)
        assert none.row() == pytest.approx((0, 0, 1 - 0.025 ** (1 / n))), "all miss with probability (1 - p) ** n"
        assert all_.row() == pytest.approx((1, 0.025 ** (1 / n), 1))
    half = exact_interval(5, 10)
    assert half.row() == pytest.approx((0.5, 0.1871, 0.8129), abs=1e-4)
    tail = sum(math.comb(10, k) * half.low**k * (1 - half.low) ** (10 - k) for k in range(5, 11))
    assert tail == pytest.approx(0.025), "at the lower end, so many hits or more are this rare"
    assert math.isnan(exact_interval(0, 0))
    for hits in (-1, 11):
        with pytest.raises(ValueError, match=f"between 0 and 10, not {hits}"):
            exact_interval(hits, 10)


@pytest.mark.parametrize(
    "values",
    [[1.0, math.nan], [math.inf], 3, None, "123", ["a"], {1: 2}, [[1.0, 2.0]], torch.ones(2, 2), torch.tensor(1.0)],
)
def test_a_sample_is_a_row_of_finite_numbers(values):
    with pytest.raises(ValueError, match="a sample is a row of finite numbers, not"):
        with_interval(values)
    with pytest.raises(ValueError, match="a sample is a row of finite numbers, not"):
        judge(values, [1.0])


def test_samples_belong_together():
    def mean(values):
        return values.mean(-1)

    with pytest.raises(ValueError, match=r"has to be an instance of|one length, .* given are \[3, 2\]"):
        bootstrap(lambda a, b: mean(a), torch.ones(3), torch.ones(2))
    with pytest.raises(ValueError, match=r"at least one; given are \[\]"):
        bootstrap(mean)
    with pytest.raises(ValueError, match="values has to be an instance of"):
        bootstrap(lambda a, b, c: mean(a), torch.ones(2), torch.ones(2), [1.0, 2.0])
    with pytest.raises(ValueError, match="one number for each resample"):
        bootstrap(lambda values: values.mean(), torch.ones(3))
    with pytest.raises(ValueError, match="seed has to be greater"):
        bootstrap(mean, torch.ones(3), seed=-1)
    with pytest.raises(ValueError, match="2 conflicts are predicted, and 1 measured"):
        judge([1.0, 2.0], [1.0])
    for hits in (3.0, True, "3"):
        with pytest.raises(ValueError, match="hits has to be a whole number"):
            exact_interval(hits, 10)
    with pytest.raises(ValueError, match=r"estimates\[a\]\[b\] has to be an instance of Estimate, not 3.0"):
        percent_table({"a": {"b": 3.0}})
    assert percent_table({}).empty


def test_a_row_is_the_number_and_its_ends():
    assert Estimate(0.5, 0.25, 0.75).row() == (0.5, 0.25, 0.75)
    assert type(Estimate(0.5, 0.25, 0.75).row()[0]) is float, "a plain number, which a table rounds"
