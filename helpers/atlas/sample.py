"""Samples of the text that Atlas was trained on."""

from __future__ import annotations

import hashlib
import json
import random
from contextlib import suppress
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from helpers.atlas.corpus import corpus
from helpers.checks import Count, Model, checked
from helpers.editing.rome import key_covariance
from helpers.files import cache_folder, write_whole
from helpers.models.load import WEIGHTS
from helpers.prompts.relations import FACTS

DOCUMENTS = 3000  # of the corpus, about 50,000 tokens: C changes by less than a hundredth with twice as many
MADE_FROM = ("corpus", "fiction", "composed", "skills", "../prompts/relations", "../prompts/skills")  # the corpus


@checked
def corpus_sample(tokenizer, count: Count = DOCUMENTS) -> list[list[int]]:
    """Token ids of ``count`` documents, drawn evenly from the corpus of Atlas's first training run, with BOS.

    With another tokenizer than Atlas's, documents of random tokens are left out: they are no text.

    Raises:
        ValueError: if there aren't so many such documents.
    """
    path = cache_folder() / f"documents-{count}-{_corpus_version()}{_other(tokenizer)}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):  # missing or damaged
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["checksum"] == _digest(kept["documents"]):
            return kept["documents"]
    own = not _other(tokenizer)
    documents = [d for d in corpus(0, range(257, len(tokenizer))) if own or not d.tokens]
    if count > len(documents):
        raise ValueError(f"the corpus has {len(documents)} such documents, not {count}")
    documents = random.Random(0).sample(documents, count)
    texts = [list(d.tokens) or tokenizer.encode(d.text, add_special_tokens=False) for d in documents]
    result = [[tokenizer.bos_token_id, *ids] for ids in texts]
    with suppress(OSError):  # then it is made again next time
        write_whole(path, json.dumps({"checksum": _digest(result), "documents": result}))
    return result


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _corpus_version() -> str:
    """A hash of everything that the corpus is made from."""
    files = [Path(__file__).parent / f"{name}.py" for name in MADE_FROM]
    files += [*sorted(FACTS.rglob("*.json")), WEIGHTS / "atlas" / "tokenizer.json"]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


def _other(tokenizer) -> str:
    """Empty for Atlas's tokenizer, else a hash of the other one: another may have as many tokens, or the same ones."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.loads(backend.to_str()) if backend else {"model": tokenizer.get_vocab()}
    atlas = json.loads((WEIGHTS / "atlas" / "tokenizer.json").read_text(encoding="utf-8"))
    parts = ("model", "added_tokens", "normalizer", "pre_tokenizer")
    own, theirs = (_digest([given.get(part) for part in parts]) for given in (atlas, rules))
    return "" if own == theirs else f"-{theirs}"


@checked
def corpus_covariance(model: Model, layer: int) -> Float[Tensor, "d_mlp d_mlp"]:
    """The key covariance that ROME needs (`key_covariance`), over `DOCUMENTS` documents of Atlas's corpus."""
    return key_covariance(model, layer, corpus_sample(model.tokenizer))
