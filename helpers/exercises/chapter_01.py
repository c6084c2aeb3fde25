"""Checks of the exercises in *What does this model know?*"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor
from transformer_lens.tools.analysis import logit_lens

from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.models.predict import answer_ids
from helpers.prompts.relations import Relation, relation

TEXTS = ("France", "The capital of France is", "the Eiffel Tower", "1732", "antidisestablishmentarianism")


@check
def token_count(count_tokens: Callable[[str], int], tokenizer) -> None:
    """``count_tokens(text)`` is the number of the text's own tokens."""
    for text in TEXTS:
        right = len(tokenizer.encode(text, add_special_tokens=False))
        given = attempted(count_tokens(text))
        expect(
            given != right + 1, f"{text!r} has one token less: BOS is put before every text, it isn't part of this one."
        )
        words = len(text.split())
        expect(
            given == right or given != words, f"{text!r} has {words} words, but words aren't tokens; ask the tokenizer."
        )
        expect(given == right, f"{text!r} has {right} tokens, not {given}.")


def best_blind_share(relation: Relation) -> float:
    """The recall of somebody who knows the answers of a relation, but never looks at the subject."""
    answers = Counter(fact.answer for fact in relation.facts)
    return answers.most_common(1)[0][1] / len(relation.facts)


@check
def chance(baseline: Callable[[Relation], float]) -> None:
    """``baseline(relation)`` is the best recall without looking at the subject."""
    for name in ("country_continent", "substance_phase", "country_capital", "person_occupation"):
        asked = relation(name)
        right, given = best_blind_share(asked), attempted(baseline(asked))
        uniform = 1 / len(asked.answers)
        counted = f"{name} has {len(asked.answers)} answers"
        answer = Compared(given, right)
        answer.isnt(
            uniform, f"{counted}, but they aren't equally frequent; who always says the most frequent one does better."
        )
        expect(given <= 1, f"for {name} you give {given:.3g}; a recall is a share, so divide by the number of facts.")
        answer.is_right(f"for {name} it is {right:.3f}, not {given:.3f}.")


@check
def settled_layer(first_settled: Callable[[str, str], int], model, questions: list[tuple[str, str]]) -> None:
    """``first_settled(prompt, answer)`` is the number of blocks from which on the answer stays on rank 0."""
    for prompt, answer in questions:
        target = answer_ids(model.tokenizer, prompt, answer)[0]
        ranks = logit_lens(model, prompt, targets=target).rank_trajectory(target).flatten().tolist()
        wrong = [depth for depth, rank in enumerate(ranks) if rank != 0]
        right, first = (
            (wrong[-1] + 1 if wrong else 0),
            next((i for i, rank in enumerate(ranks) if rank == 0), len(ranks)),
        )
        given = attempted(first_settled(prompt, answer))
        asked = f"after {prompt!r}, the ranks of {answer!r} are {[int(r) for r in ranks]} (the embedding first)"
        expect(given == right or given != first, f"{asked}: rank 0 is reached after {first} blocks, but lost again.")
        expect(given != right - 1, f"{asked}: count blocks, so 0 stands for the embedding, before the first block.")
        expect(given == right, f"{asked}: from {right} blocks on, not {given}.")


@check
def knock_out(
    without_heads: Callable[[str, list[tuple[int, int]]], Tensor], model, prompt: str, heads: list[tuple[int, int]]
) -> None:
    """``without_heads(prompt, heads)`` gives the last logits with the outputs of the heads set to zero everywhere."""
    given = attempted(without_heads(prompt, heads))
    tokens = model.to_tokens(prompt)
    plain = model(tokens)[0, -1]
    expect(
        isinstance(given, Tensor) and given.shape == plain.shape,
        f"give the last position's logits, {tuple(plain.shape)}.",
    )
    expect(not torch.allclose(given, plain, atol=1e-5), "nothing changed: the hook didn't run, or changed a copy.")
    answer = Compared(given, logits_without(model, tokens, heads)[0], 1e-4)
    layers = sorted({layer for layer, _ in heads})
    every_head = [(layer, head) for layer in layers for head in range(model.cfg.n_heads)]
    answer.isnt(
        logits_without(model, tokens, every_head)[0],
        "you silenced all heads of the layer; the head is the third axis of hook_z [batch pos head d_head].",
    )
    last_only = logits_without(model, tokens, heads, position=-1)[0]
    answer.isnt(last_only, "you silenced the heads at the last position only; here they are to be silent everywhere.")
    answer.is_right("the logits differ from those with exactly these heads at zero.")


def logits_without(model, tokens: Tensor, heads: list[tuple[int, int]], position: int | slice = slice(None)) -> Tensor:
    """The last position's logits ``[batch d_vocab]`` with the outputs of some heads, (layer, head), at zero."""

    def silence(layer: int) -> Callable:
        numbers = [head for at, head in heads if at == layer]

        def hook(z: Tensor, hook) -> Tensor:
            z = z.clone()
            z[:, position, numbers] = 0.0
            return z

        return hook

    hooks = [(f"blocks.{layer}.attn.hook_z", silence(layer)) for layer in sorted({layer for layer, _ in heads})]
    return model.run_with_hooks(tokens, fwd_hooks=hooks)[:, -1]
