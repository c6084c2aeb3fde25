"""What an edited model says when it may speak: greedy text, scored with and without a leak of the answer's length.

Benchmarks often feed the right answer and ask for each of its tokens (*teacher forcing*), or stop a text after as many
tokens as the right answer has. Yang et al. (arXiv 2502.11177) call for free text in its own length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

from helpers.editing.requests import EditRequest
from helpers.models.network import Network
from helpers.models.predict import logits_after, prompt_ids

TOKENS = 10


@torch.no_grad()
def greedy(net: Network, tokenizer, prompts: Sequence[str], tokens: int = TOKENS) -> list[str]:
    """The text that greedy decoding adds to each prompt, up to the end of the first sentence."""
    rows = [list(prompt_ids(tokenizer, prompt)) for prompt in prompts]
    starts = [len(row) for row in rows]
    for _ in range(tokens):
        for row, token in zip(rows, logits_after(net, rows)[:, 0].argmax(-1).tolist(), strict=True):
            row.append(token)
    return [first_sentence(tokenizer.decode(row[start:])) for row, start in zip(rows, starts, strict=True)]


def first_sentence(text: str) -> str:
    """A text up to its first full stop, question mark or new line."""
    return re.split(r"(?<=[.?!])\s|\n", text.strip(), maxsplit=1)[0].strip()


def begins(text: str, answer: str) -> bool:
    """Whether a text begins with an answer: its end is cut off where the answer ends, which tells its length."""
    return bool(re.match(re.escape(answer) + r"\b", text, re.IGNORECASE))


def free(text: str, new: str, old: str) -> bool:
    """Whether a text says the new answer anywhere and the old one nowhere."""
    said = (re.search(rf"\b{re.escape(answer)}\b", text, re.IGNORECASE) for answer in (new, old))
    return bool(next(said)) and not next(said)


def said_rows(net: Network, tokenizer, request: EditRequest) -> list[dict[str, object]]:
    """The greedy texts after the edited prompt and after a paraphrase, scored in both ways."""
    prompts = {"prompt": request.text, "held out": request.paraphrases[0].prompt}
    texts = greedy(net, tokenizer, list(prompts.values()))
    return [
        {"kind": kind, "text": text, "begins": begins(text, request.new), "free": free(text, request.new, request.old)}
        for kind, text in zip(prompts, texts, strict=True)
    ]
