"""Checks of the exercises in *Your own model*."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from torch import Tensor

from helpers.circuits.memory import Shape
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.prompts.pairs import PromptPairs
from helpers.searches.attribution import eap
from helpers.studies.your_own_model.memory_table import SHAPES

TEXT = ["The capital of France is Paris", "The capital of Norway is Oslo", "Paris and Oslo are capitals"]
KINDS = {
    "puts BOS before every text": dict(bos=True, space=True),
    "gives a text a leading space": dict(bos=False, space=True),
    "does neither": dict(bos=False, space=False),
}


@check
def counts_weights(weights: Callable[[Shape], float]) -> None:
    """``weights(shape)`` is the number of weights in millions, biases and norms left out."""
    for name, shape in SHAPES.items():
        given = attempted(weights(shape))
        right = shape.parameters / 1e6

        d, groups = shape.d_model, shape.n_groups / shape.n_heads
        answer = Compared(given, right, 0.0, rtol=1e-3)
        answer.isnt(right * 1e6, "give millions.")
        ungrouped = right + shape.n_layers * 2 * d**2 * (1 - groups) / 1e6
        answer.isnt(ungrouped, f"in {name}, {shape.n_groups} key/value heads serve all queries.")
        ungated = right - shape.gated * shape.n_layers * d * shape.d_mlp / 1e6
        answer.isnt(ungated, f"{name} has a gated MLP: a third matrix.")
        once = right - (not shape.tied) * shape.d_vocab * d / 1e6
        answer.isnt(once, f"{name} has an unembedding of its own.")
        placeless = right - shape.n_ctx * d / 1e6
        answer.isnt(placeless, f"{name} has learned positions (n_ctx), which are weights, too.")
        answer.is_right(f"{name} has {right:.1f} million, not {given:.1f}.")


@cache
def small_tokenizer(bos: bool, space: bool):
    """A word-piece tokenizer over a few sentences: with BOS before every text or not, with a leading space or not."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    marked = [normalizers.Prepend("\u2581")] * space + [normalizers.Replace(" ", "\u2581")]  # as Llama's does
    tokenizer.normalizer = normalizers.Sequence(marked)
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always" if space else "never")
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=["<s>", "<unk>"], show_progress=False)
    tokenizer.train_from_iterator(TEXT * 20, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


@check
def any_tokenizer(first_id: Callable[..., int]) -> None:
    """``first_id(tokenizer, prompt, answer)`` is the answer's first token behind the prompt, for any tokenizer."""
    for does, options in KINDS.items():
        tokenizer = small_tokenizer(**options)
        for prompt, answer in (("The capital of France is", "Paris"), ("Paris is the capital of", "France")):
            given = attempted(first_id(tokenizer, prompt, answer))
            expect(isinstance(given, int), f"return one id, not {given!r}.")
            before = tokenizer.encode(prompt, add_special_tokens=False)
            right = tokenizer.encode(f"{prompt} {answer}", add_special_tokens=False)[len(before)]
            expect(given == right or given != 0, f"that is BOS; a tokenizer that {does} has no answer there.")
            alone = tokenizer.encode(answer, add_special_tokens=False)[0]
            expect(given == right or given != alone, f"{answer!r} alone is another token where a tokenizer {does}.")
            extra = tokenizer.encode(f" {answer}", add_special_tokens=False)[0]
            expect(given == right or given != extra, f"a tokenizer that {does} would see two spaces there.")
            last = tokenizer.encode(f"{prompt} {answer}", add_special_tokens=False)[-1]
            expect(given == right or given != last, "that is the answer's last token.")
            expect(given == right, f"with a tokenizer that {does}, it is {right}, not {given}.")


@check
def from_parts(in_parts: Callable[..., Tensor], model, pairs: PromptPairs) -> None:
    """``in_parts(search, pairs, size)`` gives the scores of all pairs from searches on few of them."""
    some, sizes = pairs.select(range(min(5, len(pairs)))), []

    def search(part: PromptPairs) -> Tensor:
        sizes.append(len(part))
        return eap(model, part).values

    whole = eap(model, some).values
    given = attempted(in_parts(search, some, 2))
    expect(isinstance(given, Tensor) and given.shape == whole.shape, f"return scores of shape {tuple(whole.shape)}.")
    expect(max(sizes, default=0) <= 2, f"{max(sizes, default=0)} pairs at a time are more than fit.")
    expect(sum(sizes) >= len(some), f"only {sum(sizes)} of {len(some)} pairs were used; the last part may be smaller.")
    parts = [eap(model, some.select(range(a, min(a + 2, 5)))).values for a in range(0, 5, 2)]

    answer = Compared(given, whole, 1e-4 * whole.abs().max(), rtol=1e-2)
    answer.isnt(sum(parts) / 3, "a part of one pair must not count as much as a part of two.")
    answer.isnt(sum(parts), "that adds means up; a score is a mean over all pairs.")
    answer.is_right("the scores differ from those of all pairs at once.")
