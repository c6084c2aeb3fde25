"""A sample is drawn from the corpus once and then kept; another tokenizer gets texts only."""

import pytest

from helpers.atlas import sample
from helpers.atlas.corpus import Document
from helpers.atlas.sample import corpus_sample
from helpers.models.load import FOLDER


def test_the_sample_is_the_corpus(atlas, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    made = []

    def short(seed, vocabulary):
        made.append(seed)
        return [Document("fact", f"The capital of France is Paris {n}.", 0.0) for n in range(9)]

    monkeypatch.setattr(sample, "corpus", short)
    rows = corpus_sample(atlas.tokenizer, 5)
    assert len(rows) == 5 and all(row[0] == atlas.tokenizer.bos_token_id for row in rows)
    assert corpus_sample(atlas.tokenizer, 5) == rows and made == [0]
    with pytest.raises(ValueError, match="has 9 such documents, not 10"):
        corpus_sample(atlas.tokenizer, 10)


def test_documents_for_another_tokenizer(atlas, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    two = [Document("fact", "The capital of France is Paris.", 0.0), Document("repeat", "", 0.0, tokens=(300, 400))]
    monkeypatch.setattr(sample, "corpus", lambda *_: two)

    class Letters:
        bos_token_id, encode = 7, staticmethod(lambda text, **_: [ord(letter) for letter in text])
        __len__, get_vocab = (lambda self: 128), (lambda self: {"a": 97})

    assert corpus_sample(Letters(), 1) == [[7, *map(ord, two[0].text)]], "random tokens are no text"
    assert len(corpus_sample(atlas.tokenizer, 2)) == 2 and len(list(tmp_path.iterdir())) == 2
