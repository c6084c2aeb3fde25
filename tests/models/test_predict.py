"""Answers are encoded in their place, and batches by length give what single prompts give."""

import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from helpers.models import predict
from helpers.models.load import WEIGHTS


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(WEIGHTS / "atlas")


@pytest.fixture(scope="module")
def forward(tokenizer):
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=2)
    model = GPT2LMHeadModel(config).eval()
    return lambda tokens: model(tokens).logits


def test_an_answer_has_the_tokens_of_its_place(tokenizer):
    prompt = "The siege lasted from the year 1732 to the year 17"
    (year,) = predict.answer_ids(tokenizer, prompt, "45")
    assert tokenizer.decode([year]) == "45"
    assert (
        tokenizer.decode(predict.answer_ids(tokenizer, "The capital of Ethiopia is", " Addis Ababa")) == " Addis Ababa"
    )


def test_an_answer_without_its_space_is_refused(tokenizer):
    with pytest.raises(ValueError, match="leading space"):
        predict.answer_ids(tokenizer, "The capital of Fran", "ce")


def test_a_prompt_begins_with_bos_once(tokenizer):
    ids = predict.prompt_ids(tokenizer, "The capital")
    assert ids.count(tokenizer.bos_token_id) == 1 and ids[0] == tokenizer.bos_token_id


def test_batches_by_length_change_nothing(tokenizer, forward):
    prompts = ["The", "The capital of France is", "A nurse", "The capital of Spain is"]
    together = predict.next_token_probabilities(forward, tokenizer, prompts)
    for row, prompt in zip(together, prompts, strict=True):
        alone = forward(torch.tensor([predict.prompt_ids(tokenizer, prompt)]))[0, -1].softmax(-1)
        torch.testing.assert_close(row, alone, atol=1e-6, rtol=1e-5)
    assert together.shape == (4, len(tokenizer))


def test_a_model_gets_its_tokens_where_it_is():
    class Elsewhere(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(3, device="meta"))

        def forward(self, tokens):
            assert tokens.device == self.weight.device
            return self.weight.expand(*tokens.shape, -1)

    (logits,) = predict.logits_after(Elsewhere(), [[0, 1]])
    assert logits.device.type == "meta" and logits.shape == (1, 3)


def test_said_is_greedy_decoding(tokenizer, forward):
    prompt = "The capital of France is"
    ids = predict.prompt_ids(tokenizer, prompt)
    for _ in range(3):
        ids.append(int(forward(torch.tensor([ids]))[0, -1].argmax()))
    greedy = tokenizer.decode(ids[-3:])
    if tokenizer.encode(prompt + greedy, add_special_tokens=False) == ids[1:]:  # the text encodes to the same tokens
        assert predict.exact_match(forward, tokenizer, [prompt], [greedy]).tolist() == [True]
    assert predict.exact_match(forward, tokenizer, [prompt, prompt], [" Paris", " of the sea"]).tolist() == [
        False,
        False,
    ]


def test_a_span_is_found_where_a_capital_makes_other_tokens_of_it(tokenizer):
    for prompt, part in (("Bromine has the atomic number", "bromine"), ("The atomic number of bromine is", "bromine")):
        span = predict.token_span(tokenizer, prompt, part)
        ids = predict.prompt_ids(tokenizer, prompt)
        assert tokenizer.decode(ids[span]).strip().lower() == part
    with pytest.raises(ValueError, match="isn't a run of whole tokens"):
        predict.token_span(tokenizer, "The atomic number of bromine is", "iron")


def test_likeliest_is_the_order_of_probabilities(forward, tokenizer):
    prompt = "The capital of France is"
    shares = predict.next_token_probabilities(forward, tokenizer, [prompt])[0]
    first, second = predict.likeliest(forward, tokenizer, prompt, 2)
    best = shares.argmax().item()
    assert first == f"{tokenizer.decode([best]).strip()} {shares[best]:.0%}"
    assert second.endswith(f"{shares.sort(descending=True).values[1]:.0%}")
