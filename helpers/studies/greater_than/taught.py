"""What the two corpora of Atlas show of two years in one sentence: does the second one come later?"""

from __future__ import annotations

import re
from typing import Literal

from helpers.atlas import second_corpus
from helpers.atlas.corpus import DOCUMENTS, skill_document
from helpers.atlas.skills import Draw

Corpus = Literal["first", "second"]
TWO_YEARS = re.compile(r"\b(\d{4})\b.*\b(\d{4})\b")
WORDS = range(257, 8000)  # tokens for the documents of random tokens, which hold no year


def two_years(corpus: Corpus, documents: int = 1500, seed: int = 0) -> list[tuple[int, int]]:
    """The first and the last year of each sentence with two, in so many documents of each kind of skill."""
    draw = Draw(seed)
    if corpus == "first":
        texts = [skill_document(draw, kind, WORDS).text for kind in DOCUMENTS for _ in range(documents)]
    else:
        makers = second_corpus.MAKERS.values()
        texts = [make(draw, "train").text for make in makers for _ in range(documents)]
    found = (TWO_YEARS.search(text) for text in texts)
    return [(int(years[1]), int(years[2])) for years in found if years]
