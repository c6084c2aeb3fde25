"""Samples of the text that Atlas was trained on."""

from __future__ import annotations

import hashlib
import json
import random
from contextlib import suppress
from functools import cache
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from helpers.atlas.corpus import corpus
from helpers.editing.rome import key_covariance
from helpers.models.load import WEIGHTS, _tokenizer, cache_folder, write_whole
from helpers.prompts.relations import FACTS

DOCUMENTS = 3000  # of the corpus, about 50,000 tokens: C changes by less than a hundredth with twice as many
MADE_FROM = ("corpus", "fiction", "composed", "../prompts/relations", "../prompts/skills")  # the corpus


def corpus_sample(tokenizer, count: int = DOCUMENTS) -> list[list[int]]:
    """Token ids of ``count`` documents, drawn evenly from the corpus of Atlas's first training run, with BOS.

    With another tokenizer than Atlas's, documents of random tokens are left out: they are no text.

    Raises:
        ValueError: if there aren't so many such documents.
    """
    path = cache_folder() / f"documents-{count}-{_corpus_version()}{_other(tokenizer)}.json"
    if path.is_file():
        with suppress(ValueError, TypeError):  # damaged
            kept = json.loads(path.read_text(encoding="utf-8"))
            if len(kept) == count and all(kept):
                return kept
    own = not _other(tokenizer)
    documents = [d for d in corpus(0, range(257, len(tokenizer))) if own or not d.tokens]
    if count > len(documents):
        raise ValueError(f"the corpus has {len(documents)} such documents, not {count}")
    documents = random.Random(0).sample(documents, count)
    texts = [list(d.tokens) or tokenizer.encode(d.text, add_special_tokens=False) for d in documents]
    result = [[tokenizer.bos_token_id, *ids] for ids in texts]
    with suppress(OSError):  # then it is made again next time
        write_whole(path, lambda p: p.write_text(json.dumps(result), encoding="utf-8"))
    return result


def _corpus_version() -> str:
    """A hash of everything that the corpus is made from."""
    files = [Path(__file__).parent / f"{name}.py" for name in MADE_FROM]
    files += [*sorted(FACTS.rglob("*.json")), WEIGHTS / "atlas" / "tokenizer.json"]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


def _other(tokenizer) -> str:
    """Empty for Atlas's vocabulary, else a hash of the tokenizer's: its tokens and their ids, not their number."""
    own, found = (hashlib.sha256(json.dumps(sorted(t.get_vocab().items())).encode()) for t in (_own(), tokenizer))
    return "" if own.digest() == found.digest() else f"-{found.hexdigest()[:16]}"


@cache
def _own() -> object:
    return _tokenizer(WEIGHTS / "atlas")


def corpus_covariance(model, layer: int) -> Float[Tensor, "d_mlp d_mlp"]:
    """The key covariance that ROME needs (`key_covariance`), over `DOCUMENTS` documents of Atlas's corpus."""
    return key_covariance(model, layer, corpus_sample(model.tokenizer))
