"""Edits in sequence: the counts are right, nothing stays behind, and the committed tables are what the code gives."""

import pytest
import torch

from helpers.atlas.sample import corpus_covariance
from helpers.editing.fine_tuning import ft_m
from helpers.editing.requests import edit_requests
from helpers.editing.rome import rome
from helpers.editing.weights import named_weights
from helpers.models.network import read_network
from helpers.studies.locate_and_edit.edit_series import (
    COLUMNS,
    COUNTS,
    MODELS,
    SERIES,
    anchored,
    edit_series,
    said_right,
    series_requests,
    unedited_questions,
)
from helpers.studies.tables import read_table


def weights(model):
    return {name: value.detach().clone() for name, value in named_weights(model).items()}


def same(model, kept):
    return all(torch.equal(value, kept[name]) for name, value in named_weights(model).items())


@pytest.fixture(scope="module")
def requests(atlas):
    return edit_requests(atlas, "landmark_country", 3, seed=5)


def test_an_interrupted_series_leaves_nothing(atlas, requests):
    kept, calls = weights(atlas), []

    def editor(request):
        calls.append(request)
        if len(calls) == 2:
            assert not same(atlas, kept), "the first edit is in while the second is made"
            raise KeyboardInterrupt
        return ft_m(atlas, request, 5)

    with pytest.raises(KeyboardInterrupt):
        edit_series(atlas, requests, editor, unedited_questions(atlas, requests, 2), counts=(2,), unrelated=["A dog."])
    assert same(atlas, kept) and len(calls) == 2


def test_a_short_series(atlas, requests):
    kept, moment = weights(atlas), corpus_covariance(atlas, 5)
    unedited = unedited_questions(atlas, requests, 4)

    def editor(request):
        return rome(atlas, request, 5, at="last", prefixes=(), wordings=2, covariance=moment)

    rows = edit_series(
        atlas, requests, editor, unedited, counts=(0, 1, 3), unrelated=["The capital of France is Paris."]
    )
    assert same(atlas, kept) and list(rows.columns) == COLUMNS
    table = rows.set_index(["edits", "measure"]).value
    assert table[0, "drift"] == 0 and table[0, "unedited"] == 1 and (0, "edited") not in table
    assert table[1, "edited"] == 1 and table[3, "newest"] == table[3, "edited"]
    assert table[3, "drift"] >= 0
    # The first count is one edit by itself, measured by hand.
    with editor(requests[0]):
        held_out = [q for q in requests[0].paraphrases if q.kind == "held out"]
        assert table[1, "paraphrase"] == said_right(atlas, held_out).mean()
        assert table[1, "unedited"] == said_right(atlas, unedited).mean()


def test_unedited_facts_are_known_and_untouched(atlas, requests):
    unedited = unedited_questions(atlas, requests, 5)
    assert said_right(atlas, unedited).all() and len(unedited) == 5
    assert not any(r.subject in q.prompt for r in requests for q in unedited)
    with pytest.raises(ValueError, match="facts that stay unedited"):
        unedited_questions(atlas, requests, 10_000)


def test_requests_of_a_series(atlas):
    names = ("landmark_country", "person_employer")
    requests = series_requests(atlas, 6, 1, names)
    assert requests == series_requests(atlas, 6, 1, names) != series_requests(atlas, 6, 2, names)
    assert sorted(r.relation for r in requests) == [names[0]] * 3 + [names[1]] * 3
    assert len({(r.relation, r.subject) for r in requests}) == 6
    with pytest.raises(ValueError, match="shared out equally"):
        series_requests(atlas, 5, 1, names)


def test_bad_counts(atlas, requests):
    with pytest.raises(ValueError, match="there are 3 requests, not 4"):
        edit_series(atlas, requests, lambda request: ft_m(atlas, request, 5), [], counts=(0, 4))
    for counts in ((), (-1, 2)):
        with pytest.raises(ValueError, match="numbers of edits from 0 on"):
            edit_series(atlas, requests, lambda request: ft_m(atlas, request, 5), [], counts=counts)


def test_an_anchored_edit_writes_a_value_of_the_given_length(atlas, requests):
    edit = rome(atlas, requests[0], 5, at="last", prefixes=(), covariance=corpus_covariance(atlas, 5))
    b_out, key = read_network(atlas).layers[5].b_out, edit.about["keys"][0]
    (after,) = anchored(edit, 2.5, b_out).after.values()
    (plain,) = edit.after.values()
    values = [key @ W + b_out for W in (after, plain)]
    assert values[0].norm() == pytest.approx(2.5, rel=1e-3)
    assert torch.cosine_similarity(*values, dim=0) == pytest.approx(1, abs=1e-4)


def test_the_committed_series():
    table = read_table("edit_series")
    assert set(table.method) == set(SERIES) and set(table.model) <= set(MODELS)
    for _, rows in table.groupby(["model", "method"]):
        assert set(rows.edits) == set(COUNTS)
        values = rows.set_index(["measure", "edits"]).value
        assert values["unedited", 0] == 1 and values["drift", 0] == 0
