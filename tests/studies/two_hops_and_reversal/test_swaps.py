"""Swaps: the bridge's hooks give the same, nothing added changes nothing, donors differ as asked."""

import pytest
import torch

from helpers.models.network import read_network
from helpers.models.predict import prompt_ids
from helpers.models.run import residuals
from helpers.studies.two_hops_and_reversal.questions import asked, questions
from helpers.studies.two_hops_and_reversal.swaps import (
    SOME,
    difference,
    donors,
    part_of,
    place_of,
    position,
    said_after,
    shared_difference,
    states_at,
    swapped,
)


@pytest.fixture(scope="module")
def table(atlas2):
    return asked(atlas2, questions("atlas2").query('kind == "firms\' products"'))


def test_states_are_those_of_the_whole_prompt(atlas2, table):
    net, some = read_network(atlas2), table.head(3)
    for place in ("description", "end"):
        prompts, parts = place_of(some, place)
        found = states_at(net, atlas2.tokenizer, prompts, parts)
        for n, (prompt, part) in enumerate(zip(prompts, parts, strict=True)):
            whole = residuals(net, torch.tensor([prompt_ids(atlas2.tokenizer, prompt)]))[:, 0]
            assert torch.allclose(found[:, n], whole[:, position(atlas2.tokenizer, prompt, part)], atol=1e-4)
    with pytest.raises(ValueError, match="choose description or end"):
        part_of(some, "middle")


def test_swapped_is_the_bridges_hook(atlas2, table):
    net, some, stops = read_network(atlas2), table.head(4).reset_index(drop=True), [0, 4, 8]
    prompts, parts = some.prompt.tolist(), some.description.tolist()
    added = torch.randn(17, 4, net.W_E.shape[1], generator=torch.Generator().manual_seed(0)) * 3
    found = swapped(net, atlas2.tokenizer, prompts, parts, added, stops)
    plain = swapped(net, atlas2.tokenizer, prompts, parts, 0 * added, stops)
    assert (plain == torch.tensor(some.said.tolist())).all(), "Nothing added changes nothing."
    for n, (prompt, part) in enumerate(zip(prompts, parts, strict=True)):
        at = position(atlas2.tokenizer, prompt, part)

        def put(resid, hook, n=n, at=at):
            resid[:, at] += added[8, n]
            return resid

        hooks = [("blocks.3.hook_resid_post", put)]
        with torch.no_grad():
            logits = atlas2.run_with_hooks(atlas2.to_tokens(prompt), fwd_hooks=hooks)[0, -1]
        assert found[2, n] == logits.argmax()


def test_donors_differ_as_asked(table):
    hosts = table.head(30).reset_index(drop=True)
    given, rows = donors(hosts, table, 0)
    own = hosts.iloc[rows].reset_index(drop=True)
    assert len(given) == len(own) == 30
    assert ((given.bridge != own.bridge) & (given.answer != own.answer) & (given.subject != own.subject)).all()
    given, rows = donors(hosts, table, 0, same_bridge=True)
    own = hosts.iloc[rows].reset_index(drop=True)
    assert ((given.bridge == own.bridge) & (given.subject != own.subject)).all()
    assert donors(hosts, table[:0], 0)[1] == []


def test_a_whole_description_brings_its_answer(atlas2, table):
    told = table[table.right & (table.case == "told")].reset_index(drop=True)
    hosts = told.head(20)
    given, rows = donors(hosts, told, 0)
    hosts = hosts.iloc[rows].reset_index(drop=True)

    def swap(place, stops, **options):
        return said_after(atlas2, hosts, given, place, difference(atlas2, hosts, given, place, **options), stops)

    found = swap("end", [0, 16])
    late = found[found.stop == 16]
    assert late.brought.mean() > 0.6 and late.kept.mean() < 0.3
    assert not (found.brought & found.kept).any()
    early = found[found.stop == 0]
    assert early.kept.mean() > 0.8, "The last words of both prompts say nothing of a bridge."
    control = swap("end", [16], control=0)
    assert control.brought.mean() < 0.2
    named = swap("description", [2], named=True)
    assert named.brought.mean() > 0.7


def test_what_others_share(atlas2, table):
    hosts = table.head(6).reset_index(drop=True)
    given, rows = donors(hosts, table, 0)
    added, places = shared_difference(atlas2, hosts.iloc[rows], given, table, "description")
    assert added.shape[1] == len(places) > 0
    net = read_network(atlas2)

    def mean(bridge):
        own = table[table.bridge == bridge].head(SOME)
        return states_at(net, atlas2.tokenizer, *place_of(own, "description")).mean(1)

    by_hand = mean(given.bridge[places[0]]) - mean(hosts.iloc[rows].bridge.iloc[places[0]])
    assert torch.allclose(added[:, 0], by_hand, atol=1e-4)
