"""Requests from a file in the layout of CounterFact, the data set of ROME's authors (arXiv 2202.05262)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from helpers.checks import checked
from helpers.editing.requests import EditRequest, Question
from helpers.files import read_json
from helpers.prompts.relations import Layout, Text, kept_rows, parsed


class _Target(Layout):
    text: Text = Field(alias="str")


class _Rewrite(Layout):
    subject: Text
    prompt: Text
    target_true: _Target
    target_new: _Target
    relation_id: str | None = None


class _Record(Layout):
    requested_rewrite: _Rewrite
    paraphrase_prompts: list[Text] = []
    neighborhood_prompts: list[Text] = []


@checked
def read_counterfact(path: str | Path) -> list[EditRequest]:
    """Requests from a JSON file in the layout of CounterFact (arXiv 2202.05262, appendix).

    Its neighbourhood prompts are about other subjects with the same old answer. Texts lose the spaces around them. A
    record that is no request is left out; a warning says how many these are, and what is wrong with the first.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file isn't of that layout, or no record is left; the message names the file.
    """
    path, records = read_json(path, "a list of CounterFact's records")
    if not isinstance(records, list):
        raise ValueError(f"{path} should hold a list of records, not a {type(records).__name__}")
    return kept_rows(path, records, "record", _counterfact)[0]


def _counterfact(record: object, where: str) -> EditRequest:
    asked = parsed(_Record, record, where)
    rewrite = asked.requested_rewrite
    old, new = rewrite.target_true.text, rewrite.target_new.text
    try:
        return EditRequest(
            subject=rewrite.subject,
            prompt=rewrite.prompt,
            old=old,
            new=new,
            paraphrases=tuple(Question(text, new, old, "held out") for text in asked.paraphrase_prompts),
            neighbours=tuple(Question(text, old, new, "same relation") for text in asked.neighborhood_prompts),
            relation=rewrite.relation_id or "",
        )
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
