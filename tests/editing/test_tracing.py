"""Restored states bring back what they should: everything, nothing, or what a hooked model says."""

import pandas as pd
import pytest
import torch

from helpers.editing.tracing import Trace, causal_trace
from helpers.studies.locate_and_edit.traced_facts import (
    ROLES,
    TRACED,
    roles,
    trace_summary,
    trace_table,
    traced_prompts,
)
from helpers.studies.tables import read_table

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
    from helpers.models.predict import answer_ids, prompt_ids

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
    with pytest.raises(ValueError, match="or the same"):
        causal_trace(atlas, *PROMPT, other=PROMPT[1])
    for options in ({"noise": 0.0}, {"noise": float("nan")}, {"window": 0}, {"window": True}, {"seed": 0.5}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} has to be"):
            causal_trace(atlas, *PROMPT, **options)
    for subject, answer in (("", "Paris"), ("France", " "), ("a", "Paris")):
        with pytest.raises(ValueError, match="a trace needs"):
            causal_trace(atlas, PROMPT[0], subject, answer)


def test_the_share_of_nothing_is_refused():
    trace = Trace(("<bos>", "Paris"), slice(1, 2), 0.9, 0.9, torch.tensor([[0.9, 0.9]]))
    with pytest.raises(ValueError, match="took nothing"):
        _ = trace.recovered


def test_roles_of_positions(atlas):
    trace = causal_trace(
        atlas, "The country where you find the Statue of Liberty is", "the Statue of Liberty", "America"
    )
    inside = roles(trace)[trace.subject]
    assert inside[0] == "subject first" and inside[-1] == "subject last" and set(inside[1:-1]) == {"subject middle"}
    assert roles(trace)[0] == "before" and roles(trace)[-1] == "last" and len(roles(trace)) == len(trace.tokens)
    one = causal_trace(atlas, *PROMPT)
    assert roles(one) == ["before"] * 4 + ["subject last", "last"]
    behind = causal_trace(atlas, "France has its capital in", "France", "Paris")
    assert roles(behind) == ["before", "subject last", "behind", "behind", "behind", "last"]


def test_another_subject_at_the_beginning_gets_its_capital(atlas):
    found = causal_trace(atlas, "The Gambia has its capital in", "the Gambia", "Banjul", other="the Bahamas")
    assert found.corrupt < found.clean


def test_many_prompts(atlas):
    prompts = traced_prompts(atlas, "country_capital", 4)
    assert prompts == traced_prompts(atlas, "country_capital", 4)
    table = trace_table(atlas, prompts, corruption="same type")
    assert set(table.role) <= set(ROLES) and (table.relation == "country_capital").all()
    one = prompts[1]
    trace = causal_trace(atlas, one.prompt, one.fact.subject, one.fact.answer, other=one.other)
    rows = table[table.prompt == 1]
    last = rows[rows.role == "last"].sort_values("layer").restored.tolist()
    assert last == pytest.approx(trace.restored[:, -1].tolist(), abs=1e-5)
    behind = [n for n, role in enumerate(roles(trace)) if role == "before"]
    before = rows[(rows.role == "before") & (rows.layer == 2)].restored.item()
    assert before == pytest.approx(trace.restored[2, behind].mean().item(), abs=1e-5)


def test_a_summary_by_hand():
    rows = [(0, 0, "last", 1.0, 0.0, 0.5), (1, 0, "last", 0.5, 0.1, 0.3), (0, 0, "behind", 1.0, 0.0, 0.0)]
    table = pd.DataFrame(rows, columns=["prompt", "layer", "role", "clean", "corrupt", "restored"])
    found = trace_summary(table).set_index("role")
    assert found.value["last"] == pytest.approx((0.5 + 0.2) / (1.0 + 0.4)) and found.prompts["last"] == 2
    assert found.low["last"] <= found.value["last"] <= found.high["last"]
    assert found.value["behind"] == 0


def test_bad_tables(atlas):
    with pytest.raises(ValueError, match="facts to trace, not 9999"):
        traced_prompts(atlas, "novel_author", 9999)
    with pytest.raises(Exception, match="unknown corruption|words"):
        trace_table(atlas, [], corruption="words")


def test_the_committed_traces(atlas):
    table = read_table("traces")
    table = table[(table.model == "atlas") & (table.corruption == "same type") & (table.part == "resid")]
    prompts = traced_prompts(atlas, "novel_author", TRACED)
    found = trace_summary(trace_table(atlas, prompts, corruption="same type")).set_index(["layer", "role"]).value
    kept = table[table.relation == "novel_author"].set_index(["layer", "role"]).value
    assert found.to_dict() == pytest.approx(kept.to_dict(), abs=0.02)


def test_a_trace_prints_as_one_line():
    trace = Trace(("<bos>", "Paris"), slice(1, 2), 0.9, 0.1, torch.tensor([[0.2, 0.75], [0.1, 0.3], [0.0, 0.1]]))
    assert repr(trace) == "Trace(3 layers, 2 tokens: clean 0.90, corrupt 0.10, restored up to 0.75)"
