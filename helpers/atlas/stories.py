"""Sentences about people with first names: whom something was given to, in many forms, and stories without an answer.

The first Atlas learnt indirect objects from six forms, and learnt the forms. Here a sentence is put together from
parts: how the people are brought in, how many they are, what stands between the repeated name and the end. Some parts
are kept for the test. Stories come first: in them every name that was mentioned may come again, so a model learns to
copy names before it has a reason to tell them apart.
"""

from __future__ import annotations

from functools import cache

from helpers.atlas.skills import CENTURIES, GREATER_THAN, Draw, Example, partners, skill_words, split_of, words_of
from helpers.prompts.relations import Split

OPENINGS = (
    "When {people} went to the {place},",
    "Then {people} came to the {place}, and",
    "After {people} had met at the {place},",
    "While {people} were at the {place},",
    "{people} sat in the {place}. Before long,",
    "Yesterday {people} walked to the {place}. There",
    "{people} had a long day at the {place}. In the end",
    "On the way to the {place}, {people} stopped for a moment, and",
    "At the {place} there was nobody but {people}. After a while",
    "Because {people} wanted to leave the {place},",
    "{people} were good friends. One morning at the {place},",
    "In the {place}, {people} talked about old times. Suddenly",
    "As {people} stood in front of the {place},",
    "It was cold in the {place}, where {people} worked. Later",
    "Once {people} had left the {place},",
    "{people} were late again. Near the {place},",
)
ACTIONS = (
    "{s} gave the {object} to",
    "{s} handed the {object} to",
    "{s} sold the {object} to",
    "{s} showed the {object} to",
    "{s} passed the {object} to",
    "{s} offered the {object} to",
    "{s} lent the {object} to",
    "{s} smiled and gave a {object} to",
    "{s} decided to give the old {object} to",
    "{s} took out a {object} that nobody had seen before and showed it to",
    "{s} said something about the {object} to",
    "{s} wrote a long letter about the {object} to",
    "{s} looked for the {object}, found it and brought it back to",
    "{s} read a story about a {object} to",
    "{s} sent the {object}, as everybody had hoped, to",
    "{s} threw the {object} to",
    "{s} explained the {object} to",
    "{s} carried the heavy {object} over to",
)
AT = ("went to", "met at", "came to", "stayed at", "ran into each other near")
STORIES = (
    "Later somebody saw",
    "The next one who came was",
    "Everybody was waiting for",
    "The first one to speak was",
    "A stranger asked for",
    "From far away one could hear",
)


BACKWARDS = (
    "Looking back from {century}{start}, the {event} had begun in {century}",
    "The {event} goes back from the year {century}{start} to the year {century}",
    "Until {century}{start} there was a {event}, which had begun in {century}",
)
THREE = 0.3  # share of sentences about three people
BACK = 0.3  # share of sentences about years that go back
SHORT, SHORTEST = 0.3, 9  # share of sentences in which the years are close to each other, and how close


@cache
def forms(kind: tuple[str, ...], split: Split) -> list[str]:
    """The openings, or actions, that belong to one part."""
    return [form for form in kind if split_of("form", form) == split]


def people(draw: Draw, split: Split, three: bool) -> list[str]:
    """Two or three names; the first two never meet in the other part."""
    first = draw.choice(skill_words()["names"])
    names = [first, draw.choice(partners(first, split))]
    return names + ([draw.choice([n for n in skill_words()["names"] if n not in names])] if three else [])


def listed(names: list[str]) -> str:
    """Names in a row: "Mary, John and Anna"."""
    return f"{', '.join(names[:-1])} and {names[-1]}"


def indirect_object(draw: Draw, split: Split) -> Example:
    """ "When Mary and John went to the store, John gave the drink to" -> " Mary" (arXiv 2211.00593).

    With three people, the third one leaves first: then two names have been said twice.
    """
    three = draw.chance(THREE)
    names = people(draw, split, three)
    subject, answer = names[:2] if draw.chance(0.5) else names[1::-1]
    place, item = draw.choice(skill_words()["places"]), draw.choice(words_of("objects", split))
    begin = draw.choice(forms(OPENINGS, split)).format(people=listed(draw.sample(names, len(names))), place=place)
    leaves = f" {names[2]} left early. Then" if three else ""
    action = draw.choice(forms(ACTIONS, split)).format(s=subject, object=item)
    return Example(f"{begin}{leaves} {action}", f" {answer}", (f" {subject}",))


def story(draw: Draw, split: Split) -> Example:
    """Two or three people, and sentences that each end with one of them, whoever it is."""
    names = people(draw, split, draw.chance(0.5))
    begin = f"{listed(names)} {draw.choice(AT)} the {draw.choice(skill_words()['places'])}."
    ends = [f"{draw.choice(STORIES)} {draw.choice(names)}." for _ in range(draw.integer(1, 3))]
    return Example(" ".join([begin, *ends, draw.choice(STORIES)]), f" {draw.choice(names)}")


def years(draw: Draw, split: Split) -> Example:
    """A year and a later one, or an earlier one: that a second year is later can't be known from its place.

    Many events are short: that a year just before the first one can't follow it is then worth knowing exactly.
    """
    back, start = draw.chance(BACK), draw.integer(1, 98)
    event, century = draw.choice(words_of("events", split)), draw.choice(CENTURIES)
    prompt = draw.choice(BACKWARDS if back else GREATER_THAN)
    low, high = (0, start - 1) if back else (start + 1, 99)
    if draw.chance(SHORT):
        low, high = max(low, start - SHORTEST), min(high, start + SHORTEST)
    wrong = range(start, 100) if back else range(start + 1)
    text = prompt.format(event=event, century=century, start=f"{start:02d}")
    return Example(text, f"{draw.integer(low, high):02d}", tuple(f"{year:02d}" for year in wrong))


def counting(draw: Draw, _: Split) -> Example:
    """Years one after the other, or one before the other."""
    count, century = draw.integer(4, 12), draw.choice(CENTURIES)
    first = draw.integer(0, 100 - count)
    said = [f"{century}{year:02d}" for year in range(first, first + count)]
    return Example(", ".join(said[::-1] if draw.chance(BACK) else said), "")
