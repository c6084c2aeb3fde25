"""Restored states bring back what they should: everything, nothing, or what a hooked model says."""

import pytest
import torch

from helpers.tracing import causal_trace

PROMPT = ("The capital of France is", "France", "Paris")


def test_the_last_state_is_everything(small):
    model, _ = small
    trace = causal_trace(model, *PROMPT)
    assert trace.restored[-1, -1] == pytest.approx(trace.clean, abs=1e-5)
    assert torch.allclose(trace.restored[-1, :-1], torch.tensor(trace.corrupt), atol=1e-5)
    assert trace.recovered[-1, -1] == pytest.approx(1, abs=1e-2)


def test_nothing_is_restored_before_the_subject(atlas):
    """Positions before the subject see nothing corrupt, so their clean states are what they have anyway."""
    for part in ("resid", "attention", "MLP"):
        trace = causal_trace(atlas, *PROMPT, part=part)
        before = trace.restored[:, : trace.subject.start]
        assert torch.allclose(before, torch.full_like(before, trace.corrupt), atol=1e-4)


@pytest.mark.parametrize(
    "part, hook", [("resid", "hook_resid_post"), ("attention", "hook_attn_out"), ("MLP", "hook_mlp_out")]
)
def test_it_is_a_patched_run(small, part, hook):
    model, _ = small
    prompt, subject, answer = PROMPT
    trace = causal_trace(model, prompt, subject, answer, part=part, other="Spain")
    from helpers.predict import answer_ids, prompt_ids

    clean = torch.tensor([prompt_ids(model.tokenizer, prompt)])
    corrupt = torch.tensor([prompt_ids(model.tokenizer, prompt.replace(subject, "Spain"))])
    target = answer_ids(model.tokenizer, prompt, f" {answer}")[0]
    _, cache = model.run_with_cache(clean)
    for layer in (0, 1):
        for position in range(clean.shape[1]):

            def put(value, hook, position=position):
                value = value.clone()
                value[:, position] = cache[hook.name][:, position]
                return value

            logits = model.run_with_hooks(corrupt, fwd_hooks=[(f"blocks.{layer}.{hook}", put)])
            expected = logits[0, -1].softmax(-1)[target].item()
            assert trace.restored[layer, position] == pytest.approx(expected, abs=1e-3)


def test_a_window_restores_several_layers(small):
    model, _ = small
    wide = causal_trace(model, *PROMPT, part="MLP", window=3, other="Spain")
    assert torch.allclose(wide.restored[0], wide.restored[1])  # two layers: both windows cover both
    assert not torch.allclose(wide.restored, causal_trace(model, *PROMPT, part="MLP", other="Spain").restored)


def test_corruption_takes_the_answer_away(atlas):
    for options in ({}, {"other": "Spain"}):
        trace = causal_trace(atlas, *PROMPT, **options)
        assert trace.clean > 0.9 and trace.corrupt < 0.5
        assert trace.tokens[trace.subject][-1].strip() == "France"
    assert torch.equal(causal_trace(atlas, *PROMPT).restored, causal_trace(atlas, *PROMPT).restored)


def test_bad_inputs(atlas):
    with pytest.raises(Exception, match="unknown part|head"):
        causal_trace(atlas, *PROMPT, part="head")
    with pytest.raises(ValueError, match="makes no sense for resid"):
        causal_trace(atlas, *PROMPT, window=3)
    with pytest.raises(ValueError, match="not as many tokens"):
        causal_trace(atlas, *PROMPT, other="the United Arab Emirates")
