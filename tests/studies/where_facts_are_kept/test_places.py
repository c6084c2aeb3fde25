"""What heads fetch adds up to what attention writes; names are grouped by their words; probes read what is there."""

import torch

from helpers.circuits.metrics import logit_diff
from helpers.components.lens import direct_logit_attribution
from helpers.models.network import read_network
from helpers.models.run import forward, resume
from helpers.studies.where_facts_are_kept.places import NAMES, by_name, fetched, fetched_rows


def test_over_all_positions_heads_fetch_what_attention_writes(small):
    model, pairs = small
    net, group = read_network(model), pairs.groups()[0][1]
    tokens = group.clean_tokens
    direction = (net.W_U[:, group.answer_ids] - net.W_U[:, group.wrong_ids]).T
    places = range(tokens.shape[1])
    total = sum(fetched(net, tokens, torch.full((len(group),), at), direction) for at in places)
    written = []
    for step in forward(net, net.embed(tokens)):
        if not step.is_mlp:
            written.append(step.written[:, -1])
    expected = direct_logit_attribution(net, torch.stack(written), step.after[:, -1], direction[:, None])[..., 0]
    torch.testing.assert_close(total, expected, atol=1e-4, rtol=1e-4)


def test_shares_are_of_the_difference_between_clean_and_corrupt(small):
    model, pairs = small
    net = read_network(model)
    table = fetched_rows(model, pairs)
    assert len(table) == len(net.layers) and (table.facts == len(pairs)).all()
    brought = whole = 0
    for _, group in pairs.groups():
        at = torch.tensor([subject.stop - 1 for subject in group.subjects])
        direction = (net.W_U[:, group.answer_ids] - net.W_U[:, group.wrong_ids]).T
        for sign, tokens in ((1, group.clean_tokens), (-1, group.corrupt_tokens)):
            brought = brought + sign * fetched(net, tokens, at, direction).sum(-1)
            whole = whole + sign * logit_diff(resume(net, net.embed(tokens)), group).sum()
    torch.testing.assert_close(torch.tensor(table.share.tolist()), brought / whole, atol=1e-5, rtol=1e-4)


def test_people_are_grouped_by_the_words_of_their_names():
    for told in ("profiles", "plain"):
        groups = list(by_name(told))
        assert len(groups) == 8 * len(NAMES)
        for group, table in groups:
            words = 1 if group == "one word" else int(group[0])
            assert table.facts and all(len(f.subject.split()) == words for f in table.facts)
