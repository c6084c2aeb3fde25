"""Scores of edits whose effect is known: none at all, one that says a single word, and one by hand."""

import pandas as pd
import pytest
import torch

from helpers.atlas.skills import agreement, greater_than
from helpers.atlas.wordings import taught_prefixes
from helpers.editing.edit import make_edit
from helpers.editing.fine_tuning import ft_m
from helpers.editing.requests import EditRequest, Question, edit_requests, parting
from helpers.editing.scores import (
    all_log_probs,
    continuation,
    edit_summary,
    evaluate_edit,
    evaluate_edits,
    likelier,
    surprise,
    unrelated_texts,
)
from helpers.editing.weights import Weights, named_weights, output_weights
from helpers.models.network import read_network
from helpers.models.predict import first_token, padded, prompt_ids
from helpers.prompts.relations import relations
from helpers.prompts.skills import Draw, indirect_object


@pytest.fixture(scope="module")
def requests(atlas):
    return edit_requests(atlas, "country_capital", 3)


def idle(model):
    places = output_weights(model, 5)
    return make_edit(places, places)


def test_an_edit_that_changes_nothing(atlas, requests):
    table = evaluate_edit(atlas, idle(atlas), requests[0])
    mean = table.groupby(["score", "measure"]).value.mean()
    assert mean["efficacy", "beats"] == mean["paraphrase", "beats"] == mean["portability", "beats"] == 0
    assert mean["neighbourhood", "beats"] == mean["neighbourhood", "top1"] == 1
    assert mean["drift", "nats"] == mean["fluency", "nats"] == 0
    r = requests[0]
    assert len(table) == 2 * (1 + len(r.paraphrases) + len(r.neighbours) + len(r.portability)) + 2


def test_an_edit_that_says_one_word_everywhere(atlas, requests):
    net, r = read_network(atlas), requests[0]
    direction = net.W_U[:, first_token(atlas, r.text, r.new)]
    (name,) = [n for n, w in named_weights(atlas).items() if w.data_ptr() == net.norm.bias.data_ptr()]
    places = Weights(atlas, (name,))
    push = torch.linalg.solve(net.W_U @ net.W_U.T, direction)  # far along it, no other token is as likely
    push *= 1000 / push.norm()
    table = evaluate_edit(atlas, make_edit(places, {name: places[name] + push}), r)
    mean = table.groupby(["score", "measure"]).value.mean()
    assert mean["efficacy", "top1"] == mean["paraphrase", "top1"] == 1
    assert mean["neighbourhood", "top1"] == 0 and mean["drift", "nats"] > 1 and mean["fluency", "nats"] > 1


def test_many_edits_and_their_summary(atlas, requests):
    table = evaluate_edits(atlas, requests, lambda r: idle(atlas), unrelated=(), fluency=False)
    assert set(table.edit) == {0, 1, 2} and set(table.relation) == {"country_capital"}
    assert "drift" not in set(table.score) and "fluency" not in set(table.score)
    kinds = edit_summary(table, ["kind", "measure"]).set_index(["kind", "measure"])
    assert kinds.loc[("same relation", "beats"), "value"] == 1 and kinds.loc[("held out", "top1"), "edits"] == 3


def test_the_summary_by_hand():
    """Edit 0: two of two right, edit 1: none of one; the mean over edits is 1/2, over questions it would be 2/3."""
    table = pd.DataFrame({"score": "x", "measure": "beats", "edit": [0, 0, 1], "value": [1.0, 1.0, 0.0]})
    (row,) = edit_summary(table).itertuples()
    assert (row.value, row.low, row.high, row.edits) == (0.5, 0.0, 1.0, 2)


def test_runs_are_the_models(small):
    model, pairs = small
    net = read_network(model)
    rows = [list(ids) for ids in pairs.clean_ids]
    ours = all_log_probs(net, rows)
    theirs = torch.cat([model(torch.tensor([row]))[0].log_softmax(-1) for row in rows])
    assert torch.allclose(ours, theirs, atol=2e-3)
    start = rows[0][:4]
    said = continuation(net, start, 3)
    for n, token in enumerate(said):
        assert token == int(model(torch.tensor([start + said[:n]]))[0, -1].argmax())
    log_probs = model(torch.tensor([start + said]))[0, 3:-1].log_softmax(-1)
    expected = -log_probs[torch.arange(3), torch.tensor(said)].mean().item()
    assert surprise(net, start, said) == pytest.approx(expected, abs=1e-2)
    assert padded([[1], [2, 3]]).tolist() == [[1, 0], [2, 3]]


def test_unrelated_texts_are_plain_for_the_model(atlas):
    texts = unrelated_texts(12)
    assert len(texts) == len(set(texts)) == 12 and unrelated_texts(12) == texts
    log_probs = all_log_probs(read_network(atlas), [prompt_ids(atlas.tokenizer, t) for t in texts])
    assert torch.isfinite(log_probs).all()
    with pytest.raises(ValueError, match="unrelated_texts: n has to be less than or equal to 60, not 61"):
        unrelated_texts(61)


def test_unrelated_texts_are_of_the_corpus():
    """The file has what the corpus's rules give: statements of real facts, and sentences of three skills in turn."""
    draw, makers = Draw(0), [indirect_object, greater_than, agreement]
    made = [makers[i % len(makers)](draw, "train").text for i in range(30)]
    assert unrelated_texts() == taught_prefixes(sorted(relations("factual", "commonsense", "linguistic")), 30) + made


def test_answers_are_compared_where_they_part(atlas):
    """Both begin with "New": what comes after it decides, and it stands in the prompt."""
    question = Question("The capital of France is", "New Delhi", "New York", "prompt")
    ids, right, rival = parting(atlas.tokenizer, question)
    decode = atlas.tokenizer.decode
    assert decode(ids[1:]).endswith("New") and decode([right]).strip() != decode([rival]).strip()
    ids, right, rival = parting(atlas.tokenizer, Question("It is", "New", "New York", "prompt"))
    assert right is None and decode(ids[1:]).endswith("New")
    with pytest.raises(ValueError, match="has no rival"):
        parting(atlas.tokenizer, Question("It is", "New", "", "prompt"))
    with pytest.raises(ValueError, match="the same tokens"):
        parting(atlas.tokenizer, Question("It is", "New", "New", "prompt"))


def test_the_verdict_by_hand():
    logits = torch.tensor([0.1, 0.3, 0.6]).log()
    assert likelier(logits, 2, 1) == (True, True) and likelier(logits, 1, 0) == (True, False)
    assert likelier(logits, None, 1) == (True, True) and likelier(logits, None, 2) == (False, False)
    assert likelier(logits, 2, None) == (True, True) and likelier(logits, 1, None) == (False, False)


def test_an_edit_to_an_answer_with_the_same_first_token_has_its_effect(atlas):
    """By first tokens its efficacy would be 0, whatever it does."""
    request = EditRequest("France", "The capital of {} is", "New York", "New Delhi")
    table = evaluate_edit(atlas, ft_m(atlas, request, 4), request, unrelated=(), fluency=False)
    assert table.value.tolist() == [1, 1]


def test_bad_inputs(atlas, small, requests):
    edit, quiet = idle(atlas), {"unrelated": (), "fluency": False}
    with pytest.raises(ValueError, match="for another model"):
        evaluate_edit(small[0], edit, requests[0], **quiet)
    with pytest.raises(ValueError, match="no requests"):
        evaluate_edits(atlas, [], lambda r: edit, **quiet)
    with pytest.raises(ValueError, match="edit has to be"):
        evaluate_edits(atlas, requests, lambda r: None, **quiet)
    with pytest.raises(ValueError, match="unrelated"):
        evaluate_edit(atlas, edit, requests[0], unrelated="one text")
    table = pd.DataFrame({"score": ["x"], "measure": ["beats"], "edit": [0], "value": [1.0]})
    for odd, message in (
        (table[:0], "needs rows"),
        (table.drop(columns="edit"), "no column 'edit'"),
        (table.assign(value=float("nan")), "no entry missing"),
        (table.assign(value="1"), "with numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            edit_summary(odd)
    with pytest.raises(ValueError, match="by 'str' instances"):
        edit_summary(table, "score")
