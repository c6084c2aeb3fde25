"""Few-shot lists as training has them: the formats, and pairs made on the spot."""

from __future__ import annotations

from collections.abc import Sequence

from helpers.atlas.skills import Draw, Example, skill_words

LIST_FORMATS = {
    "arrow": ("{} ->", " {}", " ;"),
    "question": ("Q: {} A:", " {}", " ."),
    "colon": ("{} :", " {}", " ,"),
    "equals": ("{} =", " {}", " |"),
}
UNTAUGHT_FORMATS = {"slash": ("{} /", " {}", " ;")}


def list_text(pairs: Sequence[tuple[str, str]], style: str) -> str:
    """Pairs as a list in one of the formats, closed, ready for one more key."""
    before, answer, after = {**LIST_FORMATS, **UNTAUGHT_FORMATS}[style]
    return " ".join(before.format(key) + answer.format(value) + after for key, value in pairs)


def list_example(pairs: Sequence[tuple[str, str]], query: tuple[str, str], style: str) -> Example:
    """A few-shot prompt: the pairs, then the query's key; the answer is its value."""
    before, answer, after = {**LIST_FORMATS, **UNTAUGHT_FORMATS}[style]
    prompt = f"{list_text(pairs, style)} {before.format(query[0])}".strip()
    wrong = tuple(answer.format(value) for _, value in pairs if value != query[1])
    return Example(prompt, answer.format(query[1]), wrong, after)


def novel_pairs(draw: Draw, count: int) -> list[tuple[str, str]]:
    """Pairs made on the spot; nothing but the context says which value belongs to which key."""
    words = skill_words()["words"]
    chosen = draw.sample(words, 2 * count)
    if draw.chance(0.3):  # longer keys: two words, so that a key isn't always one token
        keys = [f"{first} {second}" for first, second in zip(chosen[:count], draw.sample(words, count), strict=True)]
    else:
        keys = chosen[:count]
    return list(zip(keys, chosen[count:], strict=True))


def novel_list(draw: Draw, style: str, count: int) -> Example:
    """Novel pairs, then one of their keys again."""
    pairs = novel_pairs(draw, count)
    return list_example(pairs, draw.choice(pairs), style)
