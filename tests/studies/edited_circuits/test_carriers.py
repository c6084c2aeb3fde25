"""Two routes to what carries an edit agree, and what can't carry it doesn't."""

import pytest
import torch

from helpers.circuits.graph import head_place
from helpers.components.heads import ablate_heads
from helpers.editing.fine_tuning import ft_m
from helpers.editing.rome import rome
from helpers.models.network import read_network
from helpers.models.run import run_layers
from helpers.studies.edited_circuits.carriers import (
    ELSEWHERE,
    PLACES,
    carried,
    effect_by_place,
    needed,
    new_and_old,
    read_by_layer,
    without_each,
    works_at,
)
from helpers.studies.edited_circuits.cases import case_pairs, cases


@pytest.fixture(scope="module")
def case(atlas2):
    return cases(atlas2, "resident_dish", 0, 1, tokens=2)[0]


@pytest.fixture(scope="module")
def at_subject(atlas2, case):
    return rome(atlas2, case.request, 0, prefixes=())


@pytest.fixture(scope="module")
def tokens(atlas2, case):
    return case_pairs(atlas2, case).select([0]).clean_tokens


def test_rome_works_where_it_was_made(atlas2, case, at_subject):
    shares = effect_by_place(atlas2, at_subject, 0, case)
    assert shares[PLACES["subject_last"]] == pytest.approx(1, abs=0.1)
    assert abs(shares[PLACES["last"]]) < 0.1 and set(shares) == {*PLACES.values(), ELSEWHERE}


def test_everywhere_is_the_edited_model_and_nowhere_the_unedited_one(atlas2, case, at_subject, tokens):
    plain = case_pairs(atlas2, case).select([0]).clean_logits(atlas2)[0]
    with at_subject:
        edited = case_pairs(atlas2, case).select([0]).clean_logits(atlas2)[0]
    for at, logits in ((True, edited), (False, plain)):
        mask = torch.full((tokens.shape[1],), at)
        assert torch.allclose(works_at(atlas2, at_subject, 0, tokens, mask), logits, atol=1e-3)


def test_sets_of_heads_run_beside_each_other_as_they_do_alone(atlas2, tokens, case):
    sets = {"none": (), "one": ["a2.h1"], "two": ["a2.h1", "a4.h2"]}
    net = read_network(atlas2)
    source, _ = run_layers(net, case_pairs(atlas2, case).select([0]).corrupt_tokens)
    rows = without_each(net, tokens, source, sets)
    for row, some in zip(rows, sets.values(), strict=True):
        writes = {head_place(head): source[head_place(head)[0]].written[head_place(head)[1]] for head in some}
        alone = net.unembed(run_layers(net, tokens, writes)[1][:, -1])[0]
        assert torch.allclose(row, alone, atol=1e-3)
    silent = [run.__class__(run.pattern, run.values, torch.zeros_like(run.written), run.after) for run in source]
    pairs = case_pairs(atlas2, case).select([0])
    zero = ablate_heads(atlas2, pairs, ["a2.h1"])[0]
    assert torch.allclose(without_each(net, tokens, silent, {"": ["a2.h1"]})[0], zero, atol=1e-3)


def test_attention_carries_what_is_written_at_the_subject(atlas2, case, at_subject):
    above = [f"a{n}.h{h}" for n in range(1, 8) for h in range(6)]
    lost = carried(atlas2, at_subject, case, {"above": above, "none": ()})
    assert lost["above"] == pytest.approx(1, abs=0.1) and lost["none"] == pytest.approx(0, abs=1e-3)
    last = carried(atlas2, ft_m(atlas2, case.request, 7), case, {"above": above})
    assert abs(last["above"]) < 0.35, "after the last MLP nothing reads; heads before it are as they were"


def test_all_heads_together_bring_the_other_subject(atlas2, case):
    heads = [f"a{n}.h{h}" for n in range(8) for h in range(6)]
    shares = needed(atlas2, case_pairs(atlas2, case).select([0, 1]), {"all": heads, "none": ()})
    assert shares["none"] == pytest.approx(0, abs=1e-3) and shares["all"] > 0.8


def test_the_lens_ends_with_the_models_own_logits(atlas2, case):
    table = read_by_layer(atlas2, case)
    end = table[(table.place == "last") & (table.layer == 7)].iloc[0]
    logits = case_pairs(atlas2, case).select([0]).clean_logits(atlas2)[0]
    new, old = new_and_old(atlas2, case)
    assert end.lead == pytest.approx(float(logits[new] - logits[old]), abs=1e-3)
    assert end["rank"] == int((logits > logits[new]).sum()) + 1
    assert sorted(table.layer.unique()) == list(range(-1, 8))
