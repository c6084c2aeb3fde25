"""Samples of the text that Atlas was trained on."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from helpers.atlas.corpus import corpus
from helpers.editing.rome import key_covariance
from helpers.models.load import WEIGHTS, _write, cache_folder

DOCUMENTS = 3000  # of the corpus, about 50,000 tokens: C changes by less than a hundredth with twice as many


def corpus_sample(
    tokenizer, count: int = DOCUMENTS, seed: int = 0, kinds: Sequence[str] | None = None
) -> list[list[int]]:
    """Token ids of ``count`` documents, drawn evenly from the corpus of Atlas's first training run, with BOS.

    With another tokenizer than Atlas's, documents of random tokens are left out: they are no text.

    Args:
        kinds: only documents of these kinds (``"fact"``, ``"list"``, and those of `DOCUMENTS`).

    Raises:
        ValueError: if there aren't so many such documents.
    """
    chosen = "-".join(["", *sorted(kinds)]).replace(" ", "_") if kinds else ""
    path = cache_folder() / f"documents{chosen}-{count}-{seed}-{_corpus_version()}{_other(tokenizer)}.json"
    if path.is_file():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if len(kept) == count and all(kept):
                return kept
        except (ValueError, TypeError):  # cut off while it was written
            pass
    own = not _other(tokenizer)
    documents = [d for d in corpus(0, range(257, len(tokenizer))) if own or not d.tokens]
    documents = [d for d in documents if not kinds or d.kind in kinds]
    if count > len(documents):
        raise ValueError(f"the corpus has {len(documents)} documents of kinds {kinds}, not {count}")
    documents = random.Random(seed).sample(documents, count)
    texts = [list(d.tokens) or tokenizer.encode(d.text, add_special_tokens=False) for d in documents]
    result = [[tokenizer.bos_token_id, *ids] for ids in texts]
    _write(path, lambda p: p.write_text(json.dumps(result), encoding="utf-8"))
    return result


def _corpus_version() -> str:
    """A hash of everything that the corpus is made from."""
    here = Path(__file__).parent
    files = [here / f"{name}.py" for name in ("corpus", "draw", "fiction", "skills", "world", "composed")]
    files += [*sorted((here / "facts").rglob("*.json")), WEIGHTS / "atlas" / "tokenizer.json"]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


def _other(tokenizer) -> str:
    """Empty for Atlas's vocabulary, else a hash of the tokenizer's."""
    if len(tokenizer) == json.loads((WEIGHTS / "atlas" / "config.json").read_text(encoding="utf-8"))["vocab_size"]:
        return ""
    return "-" + hashlib.sha256(json.dumps(sorted(tokenizer.get_vocab())).encode()).hexdigest()[:16]


def corpus_covariance(model, layer: int) -> Float[Tensor, "d_mlp d_mlp"]:
    """The key covariance that ROME needs (`key_covariance`), over `DOCUMENTS` documents of Atlas's corpus."""
    return key_covariance(model, layer, corpus_sample(model.tokenizer))
