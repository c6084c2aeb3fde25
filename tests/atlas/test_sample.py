"""A sample is drawn from the corpus once and then kept; another tokenizer gets texts only."""

import json
import os
from unittest.mock import Mock

import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from helpers.atlas import sample
from helpers.atlas.corpus import Document
from helpers.atlas.sample import corpus_sample
from helpers.files import FOLDER


def test_the_sample_is_the_corpus(atlas, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    made = []

    def short(name, seed, vocabulary):
        made.append(seed)
        return [Document("fact", f"The capital of France is Paris {n}.", 0.0) for n in range(9)]

    monkeypatch.setattr(sample, "documents", short)
    rows = corpus_sample(atlas.tokenizer, 5)
    assert len(rows) == 5 and all(row[0] == atlas.tokenizer.bos_token_id for row in rows)
    assert corpus_sample(atlas.tokenizer, 5) == rows and made == [0]
    (kept,) = tmp_path.iterdir()
    whole = kept.read_text(encoding="utf-8")
    for damaged in (whole.replace(f"{rows[1][1]}", "9", 1), whole[:-9], "[]", ""):
        kept.write_text(damaged, encoding="utf-8")
        assert corpus_sample(atlas.tokenizer, 5) == rows and kept.read_text(encoding="utf-8") == whole
    monkeypatch.setattr(os, "replace", Mock(side_effect=OSError(28, "No space left on device")))
    assert len(corpus_sample(atlas.tokenizer, 4)) == 4 and [*tmp_path.iterdir()] == [kept]
    with pytest.raises(ValueError, match="count has to be greater than or equal to 1, not 0"):
        corpus_sample(atlas.tokenizer, 0)
    with pytest.raises(ValueError, match="has 9 such documents, not 10"):
        corpus_sample(atlas.tokenizer, 10)


def test_documents_for_another_tokenizer(atlas, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    two = [Document("fact", "The capital of France is Paris.", 0.0), Document("repeat", "", 0.0, tokens=(300, 400))]
    monkeypatch.setattr(sample, "documents", lambda *_: two)

    class Letters:
        bos_token_id, encode = 7, staticmethod(lambda text, **_: [ord(letter) for letter in text])
        __len__, get_vocab = (lambda self: 128), (lambda self: {"a": 97})

    assert corpus_sample(Letters(), 1) == [[7, *map(ord, two[0].text)]], "random tokens are no text"
    assert len(corpus_sample(atlas.tokenizer, 2)) == 2 and len(list(tmp_path.iterdir())) == 2
    raw = json.loads(atlas.tokenizer.backend_tokenizer.to_str())
    vocab = raw["model"]["vocab"]
    vocab["Ġthe"], vocab["Ġof"] = vocab["Ġof"], vocab["Ġthe"]
    other = Tokenizer.from_str(json.dumps(raw))
    corpus_sample(PreTrainedTokenizerFast(tokenizer_object=other, bos_token="<|endoftext|>"), 1)
    names = sorted(path.name.count("-") for path in tmp_path.iterdir())
    assert names == [3, 4, 4], "another vocabulary of the same size is another one"
