"""The verdicts at the end of a chapter: what a source says, and what was found in SmolLM2 and in Atlas.

One shape of table for all chapters. The book's page of claims collects the tables from the executed chapters
(``book/_ext/claims.py``), so it can't say anything else than they do. A cell begins with an answer (`says`, `above`,
`for_each`), or has none: "not measured".
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from helpers.statistics import Estimate

REAL, OWN = "SmolLM2", "Atlas"
ANSWER = re.compile(r"\b(yes|no|open|mixed): ")
MOST = 5  # rows: more claims than a chapter can judge are no verdicts


def says(shown: str | float, yes: bool, no: bool | None = None) -> str:
    """A cell: yes or no with the number that says so; open if neither is sure.

    Args:
        shown: text, a number, or an `Estimate`, shown with its interval.
        yes, no: whether the claim's condition is met, and whether its opposite is (by default, whenever it isn't met).
    """
    text = shown.brief() if isinstance(shown, Estimate) else shown if isinstance(shown, str) else f"{shown:.2f}"
    return f"{'yes' if yes else 'no' if no is None or no else 'open'}: {text}"


def above(value: Estimate, bound: float = 0.0, shown: str = "{}") -> str:
    """A cell: whether a value is above a bound with its whole interval; open if the bound lies inside.

    Args:
        shown: text with a gap for the value and its interval.
    """
    return says(shown.format(value.brief()), value.low > bound, value.high < bound)


def for_each(shown: str, met: Iterable[bool]) -> str:
    """A cell of several cases: yes if the condition is met in all of them, no in none, else mixed."""
    cases = list(met)
    return f"mixed: {shown}" if any(cases) and not all(cases) else says(shown, bool(cases) and all(cases))


def answer_of(*cells: str) -> str:
    """The answer of some cells together: yes, no, open or mixed; empty if none of them has one."""
    answers = {answer for cell in cells for answer in ANSWER.findall(cell)}
    return "mixed" if len(answers) > 1 else "".join(answers)


@dataclass(frozen=True)
class Claim:
    """One row: a claim in its source's own terms, with the source's number where it gives one.

    ``atlas`` is one cell, or a cell for each of several models by its label.
    """

    claim: str
    source: str
    smollm2: str
    atlas: str | Mapping[str, str]

    @property
    def cells(self) -> dict[str, str]:
        """The cells by their columns, SmolLM2 first."""
        return {REAL: self.smollm2, **({OWN: self.atlas} if isinstance(self.atlas, str) else self.atlas)}

    @property
    def agree(self) -> str:
        """Whether the models agree with the source, in a few words."""
        real, *own = self.cells.values()
        both = {REAL: answer_of(real), OWN: answer_of(*own)}
        told = {model: answer for model, answer in both.items() if answer}
        if len(told) == 2 and len(set(told.values())) == 1:
            return both[REAL]
        return ", ".join(f"{answer} in {model}" for model, answer in told.items()) or "not judged"


@dataclass(frozen=True)
class ClaimsTable:
    """A chapter's claims as a table."""

    claims: tuple[Claim, ...]

    def __repr__(self) -> str:
        rows = []
        for claim in self.claims:
            cells = " | ".join(f"{model} {cell}" for model, cell in claim.cells.items())
            rows.append(f"{claim.claim} ({claim.source}) | {cells} | {claim.agree}")
        return "\n".join(rows)

    def _repr_html_(self) -> str:
        models = list(self.claims[0].cells)
        head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("claim", *models, "agree?"))
        rows = ""
        for claim in self.claims:
            said = f"{html.escape(claim.claim)} <small>({html.escape(claim.source)})</small>"
            rows += f'<tr><th scope="row" data-source="{html.escape(claim.source)}">{said}</th>'
            for model, cell in claim.cells.items():
                rows += f'<td data-model="{html.escape(model)}">{html.escape(cell)}</td>'
            rows += f"<td>{html.escape(claim.agree)}</td></tr>"
        return f'<table class="dataframe kc-verdicts"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def claims_table(claims: Sequence[Claim]) -> ClaimsTable:
    """The table that ends a chapter, to be the last value of its cell.

    Raises:
        ValueError: for no claims or more than `MOST`; if they have other models, or one of them stands twice.
    """
    if not 0 < len(claims) <= MOST:
        raise ValueError(f"a chapter judges one to {MOST} claims, not {len(claims)}")
    if len({tuple(claim.cells) for claim in claims}) > 1:
        raise ValueError("all claims of a table are judged in the same models")
    if len({claim.claim for claim in claims}) < len(claims):
        raise ValueError("a claim stands twice; give each of them once")
    return ClaimsTable(tuple(claims))
