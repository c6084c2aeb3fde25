"""ROME's closed form is solved by hand; its runs are the model's; an edit goes in and comes out bit by bit."""

import warnings

import pytest
import torch
from small_models import random_model

from helpers.editing.edit import contexts, cut_run, essence, make_batch, sample_prefixes
from helpers.editing.fine_tuning import fine_tune, ft_m
from helpers.editing.requests import EditRequest
from helpers.editing.rome import ValueSearch, find_value, least_change, rome
from helpers.models.network import read_network
from helpers.models.predict import logits_after, prompt_ids

REQUEST = EditRequest("France", "The capital of {} is", "Paris", "Rome", wordings=("{} has its capital in",))


def test_one_key_by_hand():
    """C = diag(1, 4): C^-1 k = (1, 1/2), k C^-1 k = 2, so U = (1/2, 1/4) v^T."""
    C, k, v = torch.diag(torch.tensor([1.0, 4.0])), torch.tensor([[1.0, 2.0]]), torch.tensor([[6.0, -2.0]])
    U = least_change(C, k, v)
    assert torch.allclose(U, torch.tensor([[3.0, -1.0], [1.5, -0.5]]), atol=1e-4)
    assert torch.allclose(k @ U, v, atol=1e-4)


@pytest.mark.parametrize("keys", [1, 3])
def test_keys_are_answered_and_no_smaller_change_does(keys):
    torch.manual_seed(0)
    A = torch.randn(40, 8, dtype=torch.float64)
    C, K, V = A.T @ A / 40, torch.randn(keys, 8).double(), torch.randn(keys, 5).double()
    U = least_change(C, K, V)
    assert torch.allclose(K @ U, V, atol=1e-4)
    size = torch.trace(U.T @ C @ U)
    null = torch.linalg.svd(K)[2][keys:]  # what may be added without changing the answers
    for seed in range(20):
        other = U + null.T @ torch.randn(8 - keys, 5, dtype=torch.float64) * 0.1 * (1 + seed)
        assert torch.allclose(K @ other, V, atol=1e-4) and torch.trace(other.T @ C @ other) > size
    loose = least_change(C, K, V, ridge=0.5)
    assert torch.trace(loose.T @ C @ loose) < size


@pytest.mark.parametrize("at", ["subject_last", "last"])
def test_the_cut_run_is_the_model_with_a_hook(small, at):
    """The rows' edited positions differ, so their pasts have different lengths."""
    model, _ = small
    net, delta = read_network(model), torch.randn(32)
    rows = contexts(model.tokenizer, REQUEST, ["It rains. ", "It rains again today. "], 1, at)
    part = make_batch([*rows, essence(model.tokenizer, REQUEST, at)])
    assert len(set(part.at.tolist())) > 2
    for layer in (0, 1):
        cut = part.cut(net, layer)
        here = (torch.arange(cut.resid.shape[1]) == 0)[:, None]
        logits = cut.logits(cut.written + here * delta, part.keep)

        def add(value, hook):
            value = value.clone()
            value[torch.arange(len(part.at)), part.at] += delta
            return value

        theirs = model.run_with_hooks(part.tokens, fwd_hooks=[(f"blocks.{layer}.hook_mlp_out", add)])
        chosen = theirs[torch.arange(len(part.at))[:, None], part.keep]
        assert torch.allclose(logits, chosen, atol=2e-3)


def test_contexts_mark_the_subject(atlas):
    rows = contexts(atlas.tokenizer, REQUEST, ["The capital of France is Paris.", "It rains."], 1)
    assert len(rows) == 6 and rows[0].at < rows[2].at < rows[1].at
    for row in rows:
        assert atlas.tokenizer.decode(row.ids[row.at]).strip() == "France"
    later = rows[1].ids.index(rows[1].ids[rows[1].at])
    assert later < rows[1].at  # France stands in the prefix too
    part = make_batch([*rows, essence(atlas.tokenizer, REQUEST)])
    assert part.tokens.shape[0] == 7 and (part.answers[-1] == -100).all()
    assert [part.tokens[i, part.keep[i, 0]] for i in range(6)] == [row.ids[-1] for row in rows]


def test_an_answer_of_several_tokens_is_learnt_whole(atlas):
    request = EditRequest("France", "The capital of {} is", "Paris", "Addis Ababa")
    moment = torch.eye(768)
    with rome(atlas, request, 4, at="last", prefixes=(), covariance=moment):
        ids = prompt_ids(atlas.tokenizer, request.text)
        answer = contexts(atlas.tokenizer, request)[0].answer
        for token in answer[:1]:
            assert int(logits_after(read_network(atlas), [ids])[:, 0][0].argmax()) == token


def test_after_the_edit_the_key_is_answered(small):
    model, _ = small
    moment = torch.eye(read_network(model).layers[0].W_out.shape[0])
    for keys in ("mean", "each"):
        edit = rome(
            model, REQUEST, 0, prefixes=["It rains."], covariance=moment, keys=keys, search=ValueSearch(steps=3)
        )
        ((name, before),) = edit.before.items()
        K, delta = edit.about["keys"], edit.about["delta"]
        assert torch.allclose(K @ edit.after[name], K @ before + delta, atol=1e-3)
        net = read_network(model)
        with edit:
            assert torch.equal(read_network(model).layers[0].W_out, edit.after[name])
        assert torch.equal(net.layers[0].W_out, before)


def test_the_value_is_found_and_held(atlas):
    net = read_network(atlas)
    part = make_batch([*contexts(atlas.tokenizer, REQUEST), essence(atlas.tokenizer, REQUEST)])
    cut = part.cut(net, 1)
    delta, losses = find_value(part, cut, ValueSearch(steps=40, rate=0.3))
    assert losses[-1] < 1 < losses[0]
    unit = (cut.resid + cut.written)[0, 0].norm()
    held, _ = find_value(part, cut, ValueSearch(steps=10, rate=0.3, clamp=0.1))
    assert held.norm() <= 0.1 * unit * 1.001 < delta.norm()


def test_edits_change_the_answer(atlas):
    moment = torch.eye(768)
    edit = rome(atlas, REQUEST, 4, at="last", prefixes=sample_prefixes(atlas, 2), wordings=1, covariance=moment)
    ids = [prompt_ids(atlas.tokenizer, "The capital of France is")]

    def says():
        return atlas.tokenizer.decode([int(logits_after(read_network(atlas), ids)[:, 0][0].argmax())]).strip()

    assert says() == "Paris"
    with edit:
        assert says() == "Rome"
    assert says() == "Paris"


def test_bad_inputs(atlas):
    for options, message in (
        ({"layer": 9}, "no layer 9"),
        ({"layer": 1, "at": "first"}, "unknown position|first"),
        ({"layer": 1, "keys": "all"}, "unknown keys|all"),
        ({"layer": 1, "wordings": 3}, "1 more wordings"),
        ({"layer": 1, "covariance": torch.eye(3)}, "key covariance has shape|d_mlp"),
        ({"layer": 1, "covariance": torch.eye(768) * float("nan")}, "key covariance"),
        ({"layer": 1, "covariance": torch.zeros(768, 768)}, "not zero"),
        ({"layer": -1}, "no layer -1"),
        ({"layer": True}, "layer has to be a whole number"),
        ({"layer": 1, "prefixes": "The"}, "prefixes 'str' instances"),
        ({"layer": 1, "wordings": -1}, "wordings has to be"),
        ({"layer": 1, "ridge": float("nan")}, "ridge has to be"),
        ({"layer": 1, "search": {"steps": 3}}, "search has to be"),
        ({"layer": 4, "at": "last", "prefixes": ["It.", "It."], "keys": "each"}, "two are the same"),
    ):
        with pytest.raises(Exception, match=message):
            rome(atlas, REQUEST, **{"prefixes": (), "covariance": torch.eye(768)} | options)
    with pytest.raises(ValueError, match="no layer 6"):
        cut_run(read_network(atlas), torch.tensor([[0, 5]]), 6)
    with pytest.raises(ValueError, match="isn't a run of whole tokens"):
        rome(
            atlas,
            EditRequest("Fran", "The capital of {}ce is", "Paris", "Rome"),
            1,
            prefixes=(),
            covariance=torch.eye(768),
        )
    for model, asked in ((None, REQUEST), (atlas, "France")):
        with pytest.raises(ValueError, match="has to be"):
            rome(model, asked, 1)
    for options in ({"steps": 0}, {"rate": -1.0}, {"clamp": 0.0}, {"kl": float("nan")}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} has to be"):
            ValueSearch(**options)


def test_the_finished_edit_is_measured(atlas):
    edit = rome(atlas, REQUEST, 4, at="last", prefixes=(), covariance=torch.eye(768))
    ids = [prompt_ids(atlas.tokenizer, REQUEST.text)]
    (rome_id,) = contexts(atlas.tokenizer, REQUEST)[0].answer
    with edit:
        expected = logits_after(read_network(atlas), ids)[0, 0].softmax(-1)[rome_id].item()
    assert edit.about["probability"] == pytest.approx(expected, rel=1e-4) and expected > 0.5


def test_a_search_that_succeeds_where_the_edit_does_not_is_told(atlas, monkeypatch):
    """The value is found, but what is written is nothing: the loss is small and the old answer stays."""
    options = {"at": "last", "prefixes": (), "covariance": torch.eye(768)}
    monkeypatch.setattr("helpers.editing.rome.least_change", lambda C, K, V, ridge: torch.zeros(768, V.shape[1]))
    with pytest.warns(UserWarning, match="goes on with 'Paris'"):
        edit = rome(atlas, REQUEST, 4, **options)
    assert edit.losses[-1] < 0.1 and edit.about["probability"] < 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a search that says itself that it failed needs no warning
        assert rome(atlas, REQUEST, 4, **options, search=ValueSearch(steps=1)).about["probability"] < 0.1


def test_editing_needs_its_precision(tmp_path):
    model = random_model("gpt2", tmp_path).to(torch.bfloat16)
    for edit in (lambda: rome(model, REQUEST, 0), lambda: ft_m(model, REQUEST, 0), lambda: fine_tune(model, REQUEST)):
        with pytest.raises(ValueError, match="needs float32 weights"):
            edit()
