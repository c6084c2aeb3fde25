"""Ways of right answers: equal to the lens of the library and to the bridge, and cut into kinds by the stated rules."""

import pandas as pd
import pytest
import torch

from helpers import relation
from helpers.atlas.questions import ask, question_rows, states, subject_mask, subject_spans, type_ids
from helpers.components.lens import answer_by_layer
from helpers.models.predict import prompt_ids
from helpers.prompts.pairs import PromptPairs
from helpers.studies.hallucination.failures import (
    KINDS,
    answer_paths,
    failure_kinds,
    head_attributions,
    rivals,
)
from helpers.studies.hallucination.questions import question_table


@pytest.fixture(scope="module")
def asked(atlas):
    facts = [f for f in relation("person_hometown").facts if f.exposures == 10][:14]
    return ask(atlas, question_rows([("x", f, p, "", "") for f in facts for p in (0, 1)]))


def test_rivals(atlas, asked):
    found = rivals(atlas, asked)
    wrong = torch.tensor(~asked.right.to_numpy())
    assert 0 < wrong.sum() < len(asked)
    assert (found[wrong] == torch.tensor(asked.said_id.tolist())[wrong]).all()
    members = set(type_ids(atlas.tokenizer, "person_hometown", asked.prompt[0]).tolist())
    firsts = asked["first"].tolist()
    assert all(f in members and f != firsts[i] for i, f in enumerate(found.tolist()) if not wrong[i])


def test_paths_agree_with_the_lens(atlas, asked):
    paths, rival = answer_paths(atlas, asked), rivals(atlas, asked)
    pairs = PromptPairs.from_tokens(
        atlas,
        *[[tuple(atlas.tokenizer.encode(p)) for p in asked.prompt]] * 2,
        asked["first"].tolist(),
        rival.tolist(),
        alike=True,
    )
    table = answer_by_layer(atlas, pairs, places=["last"])
    lens = table[table.token == "answer"].sort_values(["pair", "stop"])
    assert paths["rank"].tolist() == lens["rank"].tolist() and paths.behind.tolist() == lens.behind.tolist()
    last = paths[paths.stop == paths.stop.max()]
    final = pairs.clean_logits(atlas).gather(1, pairs.answer_ids[:, None]) - pairs.clean_logits(atlas).gather(
        1, rival[:, None]
    )
    assert torch.allclose(torch.tensor(last.gap.to_numpy()).float(), final[:, 0], atol=2e-3)
    total = paths.groupby("question").added.sum()  # what is missing is the final norm's bias, the same for a pair
    assert (total - last.set_index("question").gap).abs().max() < 2.0


def hand_made(gaps: list[list[float]], ranks: list[list[int]]) -> pd.DataFrame:
    names = ["embed", "a0", "m0", "a1", "m1"]
    parts = ["embedding", "attention", "MLP", "attention", "MLP"]
    rows = [
        {"question": q, "stop": s, "behind": names[s], "part": parts[s], "gap": gaps[q][s], "rank": ranks[q][s]}
        for q in range(len(gaps))
        for s in range(5)
    ]
    return pd.DataFrame(rows)


def test_kinds_of_failures():
    gaps = [[0, 0, 0, 2, -1], [0, 0, 0, 1, -1], [0, 0, 9, -1, -1], [0, 0, 0, -1, -1]]
    ranks = [[9, 9, 9, 1, 2], [9, 9, 9, 5, 2], [9, 9, 1, 2, 2], [9, 9, 9, 9, 9]]
    found = failure_kinds(hand_made(gaps, ranks))
    assert found.kind.tolist() == [KINDS[0], KINDS[1], KINDS[2], KINDS[2]], "the first half doesn't count"
    assert found.behind.tolist()[:2] == ["m1", "m1"] and found.behind[2:].isna().all()
    assert found.part.tolist()[:2] == ["MLP", "MLP"]


def test_pulls_add_up_with_the_rest(atlas, asked):
    some = asked.head(6).reset_index(drop=True)
    pulls, paths = head_attributions(atlas, some), answer_paths(atlas, some)
    assert pulls.to_subject.between(0, 1 + 1e-6).all() and len(pulls) == 6 * 48
    by_layer = pulls.assign(layer=pulls["head"].str[1].astype(int)).groupby(["question", "layer"]).pull.sum()
    attention = paths[paths.part == "attention"].set_index(["question", "layer"]).added
    assert (by_layer - attention).abs().max() < 0.2, "heads are an attention without its bias"


def test_a_pull_is_direct_logit_attribution_by_hooks(atlas, asked):
    one = asked.head(1)
    rival = rivals(atlas, one)[0].item()
    found = head_attributions(atlas, one).set_index("head").pull
    _, cache = atlas.run_with_cache(atlas.to_tokens(one.prompt[0]))
    resid = cache["blocks.5.hook_resid_post"][0, -1]
    final = atlas.ln_final.original_component
    scale = (resid.var(unbiased=False) + final.eps).sqrt()
    for layer, head in ((4, 6), (1, 2)):
        write = cache[f"blocks.{layer}.attn.hook_z"][0, -1, head] @ atlas.blocks[layer].attn.W_O[head]
        logits = (write - write.mean()) / scale * final.weight @ atlas.W_U
        assert abs((logits[one["first"][0]] - logits[rival]).item() - found[f"a{layer}.h{head}"]) < 2e-3


def test_states_are_the_bridges(atlas, asked):
    some = asked.head(3)
    found = states(atlas, some, "subject_last")
    for i, prompt in enumerate(some.prompt):
        _, cache = atlas.run_with_cache(atlas.to_tokens(prompt))
        at = subject_mask(atlas, some.iloc[[i]])[0].nonzero().max()
        for layer in (0, 5):
            own = cache[f"blocks.{layer}.hook_resid_post"][0, at]
            assert torch.allclose(found[2 * layer + 2, i], own, atol=1e-3)
    with pytest.raises(ValueError, match="choose last or subject_last"):
        states(atlas, some, "first")


def test_the_subject_is_that_of_the_question_and_not_of_its_context(atlas):
    table = question_table("atlas", 3)
    spans = subject_spans(atlas.tokenizer, table)
    for row, span in zip(table.itertuples(), spans, strict=True):
        ids = prompt_ids(atlas.tokenizer, row.prompt)
        assert atlas.tokenizer.decode(ids[span]).strip().lower() == row.subject.lower()
        assert span.start >= len(prompt_ids(atlas.tokenizer, row.context)) - 1, row.prompt
    twice = table[table.case == "false context"]
    assert all(p.lower().count(s.lower()) > 1 for p, s in zip(twice.prompt, twice.subject, strict=True))
