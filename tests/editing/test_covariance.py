"""The second moment of a micro-model is what a hand computes; a stale or damaged file is never used."""

from types import SimpleNamespace

import pytest
import torch

from helpers.editing import rome as second_moments
from helpers.editing.rome import key_covariance, measure, statements, text_sample
from helpers.files import FOLDER, cache_folder
from helpers.models.network import read_network
from helpers.models.predict import prompt_ids

ROWS = [[0, 5, 6, 7], [0, 8], [0, 9, 5]]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "cache"))


def by_hooks(model, layer):
    keys = []
    for row in ROWS:
        resid = []
        model.run_with_hooks(
            torch.tensor([row]), fwd_hooks=[(f"blocks.{layer}.hook_resid_mid", lambda v, hook, to=resid: to.append(v))]
        )
        part = read_network(model).layers[layer]
        keys.append(part.neurons(part.norm2(resid[0]))[0, 1:])
    keys = torch.cat(keys)
    return sum(torch.outer(k, k) for k in keys) / len(keys)


@pytest.mark.parametrize("at_once", [1, 8, 1024])
def test_it_is_the_mean_of_outer_products(small, monkeypatch, at_once):
    """Row by row (a row may be longer than what is done at once), in two parts, and all rows together."""
    model, _ = small
    monkeypatch.setattr(second_moments, "TOKENS_AT_ONCE", at_once)
    for layer in (0, 1):
        with torch.no_grad():
            expected = by_hooks(model, layer)
        assert torch.allclose(key_covariance(model, layer, ROWS), expected, rtol=1e-4, atol=1e-4)


def test_by_hand(small, monkeypatch):
    """Two neurons whose keys are (1, 0), (0, 2) and (1, 2): BOS and what fills a row up don't count."""
    neurons = torch.zeros(2, 3, small[0].cfg.d_mlp)
    neurons[..., :2] = torch.tensor([[[9.0, 9.0], [1.0, 0.0], [9.0, 9.0]], [[9.0, 9.0], [0.0, 2.0], [1.0, 2.0]]])
    monkeypatch.setattr(second_moments, "cut_run", lambda *_: SimpleNamespace(neurons=neurons))
    C = measure(read_network(small[0]), 0, [[0, 5], [0, 6, 7]])
    assert torch.allclose(C[:2, :2], torch.tensor([[2.0, 2.0], [2.0, 8.0]]) / 3) and not C[2:].any()


def test_the_cache_is_used(small, monkeypatch):
    model, _ = small
    first = key_covariance(model, 0, ROWS)
    monkeypatch.setattr(second_moments, "measure", lambda *_: pytest.fail("computed again"))
    assert torch.equal(key_covariance(model, 0, ROWS), first)


def test_other_weights_texts_or_layers_are_other_files(small):
    model, _ = small
    first = key_covariance(model, 0, ROWS)
    W = read_network(model).layers[0].W_in
    old = W.clone()
    with torch.no_grad():
        W.mul_(1.5)
        try:
            changed = key_covariance(model, 0, ROWS)
        finally:
            W.copy_(old)
    assert not torch.allclose(changed, first)
    key_covariance(model, 0, ROWS[:2])
    key_covariance(model, 1, ROWS)
    assert len(list(cache_folder().glob("second-moment-*"))) == 4
    assert torch.equal(key_covariance(model, 0, ROWS), first)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_file_is_computed_again(small, damage):
    model, _ = small
    first = key_covariance(model, 0, ROWS)
    (path,) = cache_folder().glob("second-moment-*")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[-7] ^= 0xFF
    elif damage == "empty":
        content = b""
    else:
        key_covariance(model, 1, ROWS)
        (other,) = set(cache_folder().glob("second-moment-*")) - {path}
        content = other.read_bytes()
    path.write_bytes(content)
    assert torch.equal(key_covariance(model, 0, ROWS), first)
    assert torch.equal(key_covariance(model, 0, ROWS), first)  # what was written instead is good


def test_a_folder_that_cannot_be_written_is_no_error(small, tmp_path, monkeypatch):
    model, _ = small
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(FOLDER, str(tmp_path / "file"))
    assert key_covariance(model, 0, ROWS).shape[0] == read_network(model).layers[0].W_out.shape[0]


def test_texts(atlas, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("The capital of France is Paris. " * 30, encoding="utf-8")
    rows = text_sample(atlas.tokenizer, path, 16)
    assert {len(r) for r in rows[:-1]} == {16} and {r[0] for r in rows} == {atlas.tokenizer.bos_token_id}
    C = key_covariance(atlas, 2, path)
    assert torch.allclose(C, C.T) and torch.linalg.eigvalsh(C.double())[0] > -1e-3 * C.diagonal().mean()


def test_texts_that_are_none_are_named(atlas, tmp_path):
    (tmp_path / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(ValueError, match="latin.txt is not UTF-8 .*save it as UTF-8"):
        text_sample(atlas.tokenizer, tmp_path / "latin.txt")
    with pytest.raises(FileNotFoundError, match="is a folder; give the path of a text file"):
        text_sample(atlas.tokenizer, tmp_path)
    for length in (1, 0, -3, 2.5, None):
        with pytest.raises(ValueError, match="text_sample: length has to be"):
            text_sample(atlas.tokenizer, tmp_path / "latin.txt", length)


def test_bad_inputs(small, atlas, tmp_path):
    model, _ = small
    with pytest.raises(ValueError, match="no layer 2"):
        key_covariance(model, 2, ROWS)
    with pytest.raises(FileNotFoundError, match="is missing"):
        key_covariance(model, 0, tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(ValueError, match="is empty"):
        key_covariance(atlas, 0, tmp_path / "empty.txt")
    with pytest.raises(ValueError, match="no token behind BOS"):
        key_covariance(model, 0, [[0]])
    for rows, message in (
        ([[0, 5], [5, 6]], "row 1 of the text isn't the model's"),
        ([[0, 9999]], "row 0"),
        ([[0, -1]], "row 0"),
        ([[]], "row 0"),
        ([[0, 1.5]], "text"),
    ):
        with pytest.raises(ValueError, match=message):
            key_covariance(model, 0, rows)
    with pytest.raises(ValueError, match="no relation of real facts"):
        statements(model, ["capitals"])


def test_texts_may_be_given_as_such(small):
    model, _ = small
    rows = [prompt_ids(model.tokenizer, text) for text in ("The capital of France is", "It rains.")]
    assert torch.equal(key_covariance(model, 0, ["The capital of France is", "It rains."]),
                       key_covariance(model, 0, rows))  # fmt: skip
