"""Samples of the text that Atlas was trained on."""

from __future__ import annotations

import hashlib
import json
import random
from contextlib import suppress
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from helpers.atlas.corpora import Corpus, documents
from helpers.checks import Count, Model, checked
from helpers.editing.rome import key_covariance
from helpers.files import cache_folder, write_whole
from helpers.models.load import WEIGHTS
from helpers.prompts.relations import FACTS

DOCUMENTS = 3000  # of the corpus, about 50,000 tokens: C changes by less than a hundredth with twice as many
MADE_FROM = ("corpus", "lists", "skills", "second_corpus", "tellings", "stories", "clans", "../prompts/relations")


@checked
def corpus_sample(tokenizer, count: Count = DOCUMENTS, told: Corpus = "first") -> list[list[int]]:
    """Token ids of ``count`` documents, drawn evenly from a corpus of Atlas (of the run with seed 0), with BOS.

    With another tokenizer than this corpus's, documents of random tokens are left out: they are no text.

    Raises:
        ValueError: if there aren't so many such documents.
    """
    other = _other(tokenizer, told)
    path = cache_folder() / f"documents-{count}-{told}-{_corpus_version()}{other}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):  # missing or damaged
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["checksum"] == _digest(kept["documents"]):
            return kept["documents"]
    made = [d for d in documents(told, 0, range(257, len(tokenizer))) if not (other and d.tokens)]
    if count > len(made):
        raise ValueError(f"the corpus has {len(made)} such documents, not {count}")
    drawn = random.Random(0).sample(made, count)
    texts = [list(d.tokens) or tokenizer.encode(d.text, add_special_tokens=False) for d in drawn]
    result = [[tokenizer.bos_token_id, *ids] for ids in texts]
    with suppress(OSError):  # then it is made again next time
        write_whole(path, json.dumps({"checksum": _digest(result), "documents": result}))
    return result


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _corpus_version() -> str:
    """A hash of everything that the corpora are made from."""
    files = [Path(__file__).parent / f"{name}.py" for name in MADE_FROM]
    files += [*sorted(FACTS.rglob("*.json")), *sorted(WEIGHTS.glob("*/tokenizer.json"))]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


def _other(tokenizer, told: Corpus) -> str:
    """Empty for the corpus's own tokenizer, else a hash: another may have as many tokens, or the same ones."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.loads(backend.to_str()) if backend else {"model": tokenizer.get_vocab()}
    path = WEIGHTS / ("atlas" if told == "first" else "atlas2") / "tokenizer.json"
    atlas = json.loads(path.read_text(encoding="utf-8"))
    parts = ("model", "added_tokens", "normalizer", "pre_tokenizer")
    own, theirs = (_digest([given.get(part) for part in parts]) for given in (atlas, rules))
    return "" if own == theirs else f"-{theirs}"


@checked
def corpus_covariance(model: Model, layer: int, told: Corpus = "first") -> Float[Tensor, "d_mlp d_mlp"]:
    """The key covariance that ROME needs (`key_covariance`), over `DOCUMENTS` documents of a corpus of Atlas."""
    return key_covariance(model, layer, corpus_sample(model.tokenizer, told=told))
