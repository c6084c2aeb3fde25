"""Answers are encoded in their place, and batches by length give what single prompts give."""

import time
from types import SimpleNamespace

import pytest
import torch
from small_models import Parrot
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from helpers.atlas.abilities import Subject
from helpers.models import predict
from helpers.models.load import WEIGHTS, load_model
from helpers.models.network import read_network


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(WEIGHTS / "atlas")


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=2)
    plain = GPT2LMHeadModel(config).eval()
    return Subject(lambda tokens: plain(tokens).logits, tokenizer)


def test_an_answer_has_the_tokens_of_its_place(tokenizer):
    prompt = "The siege lasted from the year 1732 to the year 17"
    (year,) = predict.answer_ids(tokenizer, prompt, "45")
    assert tokenizer.decode([year]) == "45"
    assert (
        tokenizer.decode(predict.answer_ids(tokenizer, "The capital of Ethiopia is", " Addis Ababa")) == " Addis Ababa"
    )


def test_an_answer_without_its_space_is_refused(tokenizer):
    with pytest.raises(ValueError, match="the space between them"):
        predict.answer_ids(tokenizer, "The capital of Fran", "ce")


def test_a_prompt_begins_with_bos_once(tokenizer):
    ids = predict.prompt_ids(tokenizer, "The capital")
    assert ids.count(tokenizer.bos_token_id) == 1 and ids[0] == tokenizer.bos_token_id


def test_batches_by_length_change_nothing(tokenizer, model):
    prompts = ["The", "The capital of France is", "A nurse", "The capital of Spain is"]
    together = predict.next_token_probabilities(model, prompts)
    for row, prompt in zip(together, prompts, strict=True):
        alone = model(torch.tensor([predict.prompt_ids(tokenizer, prompt)]))[0, -1].softmax(-1)
        torch.testing.assert_close(row, alone, atol=1e-6, rtol=1e-5)
    assert together.shape == (4, len(tokenizer))


def test_a_model_gets_its_tokens_where_it_is():
    class Elsewhere(torch.nn.Module):
        tokenizer = None

        def __init__(self):
            super().__init__()
            self.W_E = torch.nn.Parameter(torch.zeros(3, device="meta"))

        def forward(self, tokens):
            assert tokens.device == self.W_E.device
            return self.W_E.expand(*tokens.shape, -1)

    logits = predict.logits_after(Elsewhere(), [[0, 1]])
    assert logits.device.type == "meta" and logits.shape == (1, 1, 3)


def test_a_network_is_asked_in_parts_and_says_the_same(atlas):
    ids = [predict.prompt_ids(atlas.tokenizer, text) for text in ("The capital of France is", "A nurse", "The capital")]
    for last in (1, 2):
        expected = predict.logits_after(atlas, ids, last)
        assert expected.shape == (3, last, atlas.cfg.d_vocab)
        torch.testing.assert_close(predict.logits_after(read_network(atlas), ids, last), expected, atol=1e-4, rtol=1e-4)


def test_hooks_on_a_bridge_count(atlas):
    def silence(value, hook):
        return torch.zeros_like(value)

    plain = predict.next_token_probabilities(atlas, ["The capital of France is"]).argmax(-1)
    with atlas.hooks(fwd_hooks=[("blocks.0.hook_mlp_out", silence)]):
        hooked = predict.next_token_probabilities(atlas, ["The capital of France is"]).argmax(-1)
    assert atlas.tokenizer.decode(plain).strip() == "Paris" and hooked != plain


def test_exact_match_is_greedy_decoding(tokenizer, model):
    prompt = "The capital of France is"
    ids = predict.prompt_ids(tokenizer, prompt)
    for _ in range(3):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    greedy = tokenizer.decode(ids[-3:])
    if (
        greedy[0] == " " and tokenizer.encode(prompt + greedy, add_special_tokens=False) == ids[1:]
    ):  # the text encodes to the same tokens
        assert predict.exact_match(model, [prompt], [greedy]).tolist() == [True]
    assert predict.exact_match(model, [prompt, prompt], [" Paris", " of the sea"]).tolist() == [
        False,
        False,
    ]


def test_a_span_is_found_where_a_capital_makes_other_tokens_of_it(tokenizer):
    for prompt, part in (("Bromine has the atomic number", "bromine"), ("The atomic number of bromine is", "bromine")):
        span = predict.token_span(tokenizer, prompt, part)
        ids = predict.prompt_ids(tokenizer, prompt)
        assert tokenizer.decode(ids[span]).strip().lower() == part
    with pytest.raises(ValueError, match="as whole words"):
        predict.token_span(tokenizer, "The atomic number of bromine is", "iron")


def covered(tokenizer, prompt, part):
    ids = predict.prompt_ids(tokenizer, prompt)
    return [tokenizer.decode([i]) for i in ids[predict.token_span(tokenizer, prompt, part)]]


def test_a_span_is_where_it_is_said_to_be(tokenizer):
    prompt = "In reading about Reading, we read"
    first, second = (predict.token_span(tokenizer, prompt, part) for part in (slice(3, 10), "Reading"))
    assert first.stop <= second.start and "".join(covered(tokenizer, prompt, slice(17, 24))).strip() == "Reading"
    assert predict.token_span(tokenizer, prompt, slice(17, 24)) == second, "in its own spelling"
    assert "".join(covered(tokenizer, "Environment and iron", "iron")).strip() == "iron", "as a word"
    assert covered(tokenizer, "The emu", "emu")[0] == " ", "a lone space begins the word after it, as in ' word'"
    cut = covered(tokenizer, "The capital of France is", slice(16, 19))
    assert "".join(cut) == " France", "what covers it"
    chinese = "\u6cd5\u56fd\u7684\u9996\u90fd"  # no spaces between words
    ids = predict.prompt_ids(tokenizer, chinese)
    assert tokenizer.decode(ids[predict.token_span(tokenizer, chinese, chinese[:2])]).strip() == chinese[:2]
    for prompt, part in (("The environment", "iron"), ("The", ""), ("The", " "), ("The", slice(9, 12))):
        with pytest.raises(ValueError, match="as whole words"):
            predict.token_span(tokenizer, prompt, part)


def test_a_span_in_a_long_prompt_is_found_at_once(tokenizer):
    prompt = "The sea is wide and deep. " * 2000 + "The capital of France is"
    begun = time.perf_counter()
    assert covered(tokenizer, prompt, "France") == [" France"]
    assert time.perf_counter() - begun < 2, "linear in the prompt's length"


@pytest.mark.parametrize(
    "answers, said, right",
    [
        ([" emu", " iguana"], [" iguana", " iguana"], [0, 1]),  # both begin with a lone space
        ([" emu", " cat"], [" iguana", " cat"], [0, 1]),  # one does, and the space alone would say nothing
        ([" New York", " New Delhi"], [" New York", " New York"], [1, 0]),
        ([" New York", " Paris"], [" New Delhi", " Paris"], [1, 1]),  # parted from Paris: the first token decides
        ([" Guinea", " Guinea Bissau"], [" Guinea Bissau", " Guinea Bissau"], [0, 1]),
        ([" Guinea", " Guinea Bissau"], [" Guinea.", " Guinea."], [1, 0]),
        ([" 1723456", " 1"], [" 1723457", " 1"], [0, 1]),  # numbers are compared whole
    ],
)
def test_answers_are_compared_up_to_where_they_part(tokenizer, answers, said, right):
    prompts = ["The first is", "The second one is"]
    parrot = Parrot(tokenizer, dict(zip(prompts, said, strict=True)))
    assert predict.top1_correct(parrot, prompts, answers).tolist() == right
    whole = [b.startswith(a) for a, b in zip(answers, said, strict=True)]
    assert predict.exact_match(parrot, prompts, answers).tolist() == whole


def test_what_cannot_be_asked_says_why(tokenizer, model):
    for ask in (predict.top1_correct, predict.exact_match):
        with pytest.raises(ValueError, match="2 prompts and 1 answers; give one answer for each prompt"):
            ask(model, ["The", "A"], [" sea"])
        for odd in ("The sea", None, [5], 7):
            with pytest.raises(ValueError, match="prompts"):
                ask(model, odd, [" sea"])
        with pytest.raises(ValueError, match=f"{ask.__name__}: model has to be"):
            ask("atlas", ["The"], [" sea"])
        assert ask(model, [], []).shape == (0,)


def test_likeliest_is_the_order_of_probabilities(model, tokenizer):
    prompt = "The capital of France is"
    shares = predict.next_token_probabilities(model, [prompt])[0]
    first, second = predict.likeliest(model, prompt, 2)
    best = shares.argmax().item()
    assert first == f"{tokenizer.decode([best]).strip()} {shares[best]:.0%}"
    assert second.endswith(f"{shares.sort(descending=True).values[1]:.0%}")


@pytest.mark.parametrize(
    "prompt, answer",
    [
        ("The capital of France is ", "Paris"),
        ("The capital of France is\n", " Paris"),
        ("The capital of France is", "Paris"),
        ("He was born in", "1732"),
        ("in the year 17", "th"),
        ("\ud504\ub791\uc2a4\uc758 \uc218\ub3c4\ub294", "\ud30c\ub9ac"),  # Korean has spaces, and no capitals
        (
            "\u092b\u094d\u0930\u093e\u0902\u0938 \u0915\u0940",
            "\u092a\u0947\u0930\u093f\u0938",
        ),  # Hindi, after a vowel sign
    ],
)
def test_the_space_between_words_is_the_answers(tokenizer, prompt, answer):
    with pytest.raises(ValueError, match="the space between them has to be the answer's"):
        predict.answer_ids(tokenizer, prompt, answer)


def test_what_goes_on_without_a_space_may(tokenizer):
    for prompt, answer in (
        ("to the year 17", "45"),
        ("\u9996\u90fd\u662f", "\u5df4\u9ece"),
        ('The name is "', "Paris"),
    ):
        assert tokenizer.decode(predict.answer_ids(tokenizer, prompt, answer)).strip() == answer
    for answer in ("", " "):
        with pytest.raises(ValueError, match="an answer is a text that says something"):
            predict.answer_ids(tokenizer, "The capital of France is", answer)


def test_a_tokenizer_without_a_beginning_says_so(tokenizer):
    bare = AutoTokenizer.from_pretrained(WEIGHTS / "atlas")
    bare.bos_token = None
    with pytest.raises(ValueError, match="no token that begins a text"):
        predict.prompt_ids(bare, "The")
    begun = predict.prompt_ids(tokenizer, f"{tokenizer.bos_token}The")
    assert begun == predict.prompt_ids(tokenizer, "The"), "never twice"


@pytest.mark.parametrize("network", [False, True])
@pytest.mark.parametrize(
    "ids, options, said",
    [
        ([], {}, "no prompts given"),
        ([[]], {}, "has 0 tokens; the logits at its last 1"),
        ([[0, 1], [0]], {"last": 2}, "has 1 tokens; the logits at its last 2"),
        ([[0] * 200], {}, "has 200 tokens; this model reads"),
        ([[0, 8192]], {}, "whole numbers, 0 to 8191"),
        ([[0, -1]], {}, "whole numbers"),
        ([[0, 0.5]], {}, "whole numbers"),
        (["The"], {}, "whole numbers"),
        ("The", {}, "whole numbers"),
        ([[0]], {"batch": 0}, "batch has to be"),
        ([[0]], {"last": 0}, "last has to be"),
    ],
)
def test_ids_that_the_model_cannot_read(atlas, network, ids, options, said):
    with pytest.raises(ValueError, match=said):
        predict.logits_after(read_network(atlas) if network else atlas, ids, **options)


def test_asking_takes_prompts(atlas):
    for odd in ("The capital", None, [5], [None]):
        with pytest.raises(ValueError, match="prompts"):
            predict.next_token_probabilities(atlas, odd)
    with pytest.raises(ValueError, match="no prompts given"):
        predict.next_token_probabilities(atlas, [])
    with pytest.raises(ValueError, match="k has to be"):
        predict.likeliest(atlas, "The", 0)
    assert len(predict.likeliest(atlas, "The", 10**6)) == atlas.cfg.d_vocab
    with pytest.raises(ValueError, match="a network is read from a model that load_model gave"):
        read_network("atlas")


def test_a_bridge_in_training_mode_is_refused():
    atlas = load_model("atlas").train()
    with pytest.raises(ValueError, match=r"training mode.*call model.eval\(\) first"):
        predict.next_token_probabilities(atlas, ["The"])


def test_long_prompts_come_in_small_batches():
    """256 prompts of 618 tokens: neither their logits nor their attention may fill the memory."""
    seen = []

    class Large:
        tokenizer, training, W_E = None, False, torch.empty(50_000, 1)
        cfg = SimpleNamespace(n_heads=1, d_model=1, n_ctx=1024)

        def __call__(self, tokens):
            seen.append(tokens.shape)
            return torch.zeros(1, 1, 1).expand(*tokens.shape, 1)

    assert predict.logits_after(Large(), [[0] * 618] * 5 + [[0]] * 300).shape == (305, 1, 1)
    assert seen == [(256, 1), (44, 1), (2, 618), (2, 618), (1, 618)]
