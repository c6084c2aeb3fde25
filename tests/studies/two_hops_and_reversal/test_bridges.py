"""Readings and swaps: by hand, equal to the bridge's hooks, nothing added changes nothing, bad inputs are named."""

import pytest
import torch

from helpers.atlas.questions import ask
from helpers.models.predict import logits_after, prompt_ids
from helpers.studies.two_hops_and_reversal.bridges import (
    add_to_residual,
    answer_percentiles,
    bridge_readings,
    donor_swaps,
    explained_by_bridge,
    percentile_rank,
    swap_first_hops,
)
from helpers.studies.two_hops_and_reversal.two_hops import WAYS, chain_questions, reversal_questions


@pytest.fixture(scope="module")
def asked(atlas):
    seats = chain_questions("atlas").query("relation == 'person_employer_seat' and wording == 0")
    return ask(atlas, seats.reset_index(drop=True))


def test_standing_by_hand():
    logits = torch.tensor([[5.0, 1.0, 3.0, 4.0, 9.0], [0.0, 2.0, 1.0, 1.0, 0.0]])
    found = percentile_rank(logits, torch.tensor(2), torch.tensor([1, 2, 3]))
    assert found.tolist() == [0.5, 0.0], "a tie isn't ahead"
    with pytest.raises(ValueError, match="no other member"):
        percentile_rank(logits, torch.tensor(2), torch.tensor([2]))


def test_readings_end_with_what_is_said(atlas, asked):
    some = asked[asked.right].head(12).reset_index(drop=True)
    table = bridge_readings(atlas, some)
    assert len(table) == 12 * 13 and table[["bridge", "answer"]].stack().between(0, 1).all()
    assert (table[table.behind == "m5"].answer == 1).all(), "a right answer is ahead of all others at the end"
    with pytest.raises(ValueError, match="choose last or subject_last"):
        bridge_readings(atlas, some, "first")


def test_moved_is_the_bridges_hook_in_either_shape(small, asked):
    model, _ = small
    some = asked.head(3)
    added = torch.randn(3, model.cfg.d_model, generator=torch.Generator().manual_seed(0)) * 3
    for i, prompt in enumerate(some.prompt):

        def put(resid, hook, i=i):
            resid[:, -1] += added[i]
            return resid

        with torch.no_grad():
            tokens = torch.tensor([prompt_ids(model.tokenizer, prompt)])
            logits = model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.hook_resid_post", put)])[0, -1]
        assert torch.allclose(add_to_residual(model, some, added, 2)[i], logits, atol=1e-2)
    table = bridge_readings(model, some)
    assert len(table) == 3 * 5 and table[["bridge", "answer"]].stack().between(0, 1).all()


def test_moved_is_the_bridges_hook(atlas, asked):
    some = asked.head(3)
    added = torch.randn(3, atlas.cfg.d_model, generator=torch.Generator().manual_seed(0)) * 3
    plain = logits_after(atlas, [prompt_ids(atlas.tokenizer, p) for p in some.prompt])[:, 0]
    assert torch.allclose(add_to_residual(atlas, some, 0 * added, 6), plain, atol=2e-3)
    for i, prompt in enumerate(some.prompt):

        def put(resid, hook, i=i):
            resid[:, -1] += added[i]
            return resid

        hooks = [("blocks.2.hook_resid_post", put)]
        with torch.no_grad():
            logits = atlas.run_with_hooks(atlas.to_tokens(prompt), fwd_hooks=hooks)[0, -1]
        assert torch.allclose(add_to_residual(atlas, some, added, 6)[i], logits, atol=2e-3)
        assert (logits - plain[i]).abs().max() > 0.1
    for arguments, why in (((some, added[:1], 2), "as many vectors"), ((some, added, 13), "no stop 13")):
        with pytest.raises(ValueError, match=why):
            add_to_residual(atlas, *arguments)


def test_swaps(atlas, asked):
    taught = asked[(asked.case == "taught") & asked.right].reset_index(drop=True)
    some = taught.head(20)
    told = swap_first_hops(atlas, some, taught, (2, 10), 0)
    control = swap_first_hops(atlas, some, taught, (2, 10), 0, control=True)
    assert sorted(told.stop.unique()) == [2, 10] and len(told) == 2 * 20
    assert told.brought.mean() > control.brought.mean() + 0.2
    assert told.kept.mean() < control.kept.mean() - 0.2
    assert not (told.brought & told.kept).any(), "donor and question have different answers"
    assert told.equals(swap_first_hops(atlas, some, taught, (2, 10), 0))


def test_three_kinds_of_donor(atlas, asked):
    found = donor_swaps(atlas, asked, (10,), n=8, draws=2)
    assert list(found) == ["told", "never told", "random"]
    for table in found.values():
        assert table.question.tolist() == list(range(8)) and set(table.brought) <= {0, 0.5, 1}
    assert found["told"].brought.mean() > found["never told"].brought.mean() >= found["random"].brought.mean()


def test_the_bridges_share_by_hand():
    found = explained_by_bridge([1.0, 1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0])
    assert found == pytest.approx((0.4 - 0.2) / (0.8 - 0.2))
    assert explained_by_bridge([1.0, 1.0], [1.0, 1.0], [0.0, 0.0]) == 1
    assert explained_by_bridge([1.0, 1.0], [0.0, 0.0], [0.0, 0.0]) == 0


@pytest.fixture(scope="module")
def reversed_questions():
    return reversal_questions("atlas").query("relation == 'novel_author' and wording == 0")


def test_standings_by_hand(atlas, reversed_questions):
    some = ask(atlas, reversed_questions[reversed_questions.case == WAYS[2]].head(6))
    table = answer_percentiles(atlas, some)
    assert len(table) == 6 * 13 and table.standing.between(0, 1).all()
    logits, own = (
        logits_after(atlas, [prompt_ids(atlas.tokenizer, p) for p in some.prompt])[:, 0],
        some["first"].iloc[0],
    )
    others = [word for word in set(some["first"]) if word != own]
    by_hand = sum(bool(logits[0, own] > logits[0, word]) for word in others) / len(others)
    end = table[(table.question == 0) & (table.behind == "m5")]
    assert end.standing.item() == pytest.approx(by_hand)


def test_taught_answers_stand_on_top(atlas, reversed_questions):
    some = ask(atlas, reversed_questions[reversed_questions.case == WAYS[1]].head(10))
    table = answer_percentiles(atlas, some)
    assert (table[table.behind == "m5"].standing == 1).all()
