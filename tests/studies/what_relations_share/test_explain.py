"""What was planted is found by shuffling relations; what wasn't is not."""

import numpy as np
import pandas as pd
import pytest

from helpers.studies.what_relations_share.explain import FEATURES, gap, likeness, mantel, related, square


def planted(n: int = 12, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Overlaps that follow one table of likeness, and another that has nothing to do with them."""
    rng = np.random.default_rng(seed)
    names = [f"r{i}" for i in range(n)]
    place, other = rng.random((2, n))
    alike, none = (-np.abs(np.subtract.outer(x, x)) for x in (place, other))
    noise = rng.random((n, n)) * 0.1
    shared = alike + noise + noise.T
    return tuple(pd.DataFrame(table, names, names) for table in (shared, alike, none))


def test_a_planted_cause_is_found():
    shared, alike, none = planted()
    found = mantel(shared, {"cause": alike, "other": none}, shuffles=300)
    cause, other = found.loc["cause"], found.loc["other"]
    assert cause.r > 0.8 and cause.p == pytest.approx(1 / 301)
    assert cause.low > 0.5 and cause.low <= cause.r <= cause.high
    assert abs(other.r) < 0.5 and other.p > 0.05 and other.low < 0 < other.high
    upper = np.triu_indices(len(shared), 1)
    both = (pd.Series(t.to_numpy()[upper]) for t in ((shared + shared.T) / 2, alike))
    assert cause.r == pytest.approx(next(both).corr(next(both), method="spearman"))


def test_many_explanations_are_paid_for():
    shared, *_ = planted()
    rng = np.random.default_rng(1)
    names, some = list(shared), {}
    for n in range(40):
        place = rng.random(len(names))
        some[f"{n}"] = pd.DataFrame(-np.abs(np.subtract.outer(place, place)), names, names)
    found = mantel(shared, some, shuffles=200)
    alone = [mantel(shared, {n: some[n]}, shuffles=200).p.iloc[0] for n in some]
    assert found.p.min() > 4 * min(alone), "the best of forty by chance isn't a finding"


def test_gap():
    names = list("abcdefghij")
    group = np.repeat([0, 1], 5)
    same = pd.DataFrame((group[:, None] == group[None]).astype(float), names, names)
    rng = np.random.default_rng(0)
    shared = 0.3 * same + rng.random((10, 10)) * 0.1
    found = gap(shared, same, shuffles=300)
    values = (shared + shared.T).to_numpy()[np.triu_indices(10, 1)] / 2
    inside = same.to_numpy()[np.triu_indices(10, 1)] > 0
    assert found["gap"] == pytest.approx(values[inside].mean() - values[~inside].mean())
    assert found["pairs"] == 20 and found["p"] < 0.05 and found["low"] > 0.2
    assert gap(pd.DataFrame(rng.random((10, 10)), names, names), same, shuffles=300)["p"] > 0.05


def test_likeness_of_real_relations():
    asked = pd.DataFrame(
        {
            "relation": ["country_capital", "country_language", "plural", "person_language"],
            "template": 0,
            "subject_tokens": [1.0, 1.0, 2.0, 3.0],
            "tokens_after": [1.0, 1.0, 1.0, 4.0],
        }
    )
    alike = likeness(asked)
    assert list(alike) == list(FEATURES)
    assert alike["type of subjects"].loc["country_capital", "country_language"] == 1
    assert alike["type of answers"].loc["country_language", "person_language"] == 1
    assert alike["kind of knowledge"].loc["plural"].sum() == 1
    assert alike["tokens of the subject"].loc["country_capital", "person_language"] == -2
    assert alike["tokens after the subject"].loc["plural", "person_language"] == -3
    words = alike["words of the template"]
    assert (np.diag(words) == 1).all() and words.loc["country_capital", "plural"] > 0
    by_type = related(list(asked.relation))
    assert by_type.loc["country_capital", "person_language"] == 0
    assert by_type.loc["country_language", "person_language"] == by_type.loc["country_language", "country_capital"] == 1


def test_square():
    rows = pd.DataFrame({"asked": list("aabbb"), "circuit": ["a", "b", "a", "random", "b"], "kept": [1, 2, 3, 9, 4]})
    assert square(rows, "kept").to_numpy().tolist() == [[1, 2], [3, 4]]


def test_bad_inputs():
    shared, alike, _ = planted()
    with pytest.raises(ValueError, match="same relations, in the same order"):
        mantel(shared, {"cause": alike.iloc[::-1, ::-1]})
    with pytest.raises(ValueError, match="at least four"):
        mantel(shared.iloc[:3, :3], {"cause": alike.iloc[:3, :3]})
    with pytest.raises(ValueError, match="related pairs and with others"):
        gap(shared, alike * 0)
