"""The lens reads what TransformerLens reads; ranks and leads are those of a hand computation."""

import pytest
import torch

from helpers import relation_pairs
from helpers.components.lens import answer_by_layer, attribution_by_sublayer, lens_logits
from helpers.models.network import read_network
from helpers.models.run import residuals, stop_names


def test_the_lens_is_transformer_lenss(atlas):
    from transformer_lens.tools.analysis import logit_lens

    prompt = "The capital of France is"
    theirs = logit_lens(atlas, prompt, positions=None).values[:, 0]  # [layer pos d_vocab]
    ours = lens_logits(read_network(atlas), residuals(read_network(atlas), atlas.to_tokens(prompt)))[:, 0]
    assert torch.allclose(ours[::2], theirs, atol=1e-3)


def test_stops_behind_attention_are_the_hooks(small):
    model, pairs = small
    group = pairs.groups()[0][1]
    stops = residuals(read_network(model), group.clean_tokens)
    _, cache = model.run_with_cache(group.clean_tokens)
    for n in range(model.cfg.n_layers):
        assert torch.allclose(stops[2 * n + 1], cache[f"blocks.{n}.hook_resid_mid"], atol=1e-4)
        assert torch.allclose(stops[2 * n + 2], cache[f"blocks.{n}.hook_resid_post"], atol=1e-4)
    assert len(stops) == len(stop_names(model.cfg.n_layers))


def test_the_last_stop_is_the_model(small):
    model, pairs = small
    table = answer_by_layer(model, pairs, places=["last"])
    end = table[(table.stop == table.stop.max()) & (table.token == "answer")].sort_values("pair")
    logits = pairs.clean_logits(model)
    right = logits.softmax(-1).gather(-1, pairs.answer_ids[:, None])[:, 0]
    assert torch.allclose(torch.tensor(end.probability.to_numpy()).float(), right, atol=1e-4)
    ranks = (logits > logits.gather(-1, pairs.answer_ids[:, None])).sum(-1) + 1
    assert (torch.tensor(end["rank"].to_numpy()) - ranks).abs().max() <= 1


def test_the_subjects_place_and_the_lead_by_hand(atlas):
    pairs = relation_pairs(atlas, "person_language", 6, split="test")
    table = answer_by_layer(atlas, pairs)
    members = torch.cat((pairs.answer_ids, pairs.wrong_ids)).unique()
    for i in (0, 3):
        _, cache = atlas.run_with_cache(torch.tensor([pairs.clean_ids[i]]))
        resid = cache["blocks.2.hook_resid_post"][:, [pairs.subjects[i].stop - 1]]
        logits = atlas.unembed(atlas.ln_final(resid))[0, 0]
        row = table[(table.pair == i) & (table.place == "subject_last") & (table.stop == 6)].set_index("token")
        others = members[members != pairs.answer_ids[i]]
        lead = logits[pairs.answer_ids[i]] - logits[others].mean()
        assert row.loc["answer", "lead"] == pytest.approx(lead.item(), abs=1e-3)
        assert row.loc["wrong", "rank"] == (logits > logits[pairs.wrong_ids[i]]).sum() + 1
        assert (row.behind == "m2").all() and (row.part == "MLP").all() and (row.layer == 2).all()


def test_without_the_norm_it_reads_otherwise(atlas):
    pairs = relation_pairs(atlas, "country_capital", 4)
    both = [answer_by_layer(atlas, pairs, read=read) for read in ("final norm", "no norm")]
    assert (both[0]["rank"] != both[1]["rank"]).any()
    with pytest.raises(ValueError, match="read has to be 'final norm' or 'no norm', not 'bare'"):
        lens_logits(read_network(atlas), torch.zeros(1, atlas.cfg.d_model), "bare")
    with pytest.raises(ValueError, match=r"places\[0\] has to be 'subject_last' or 'last', not 'first'"):
        answer_by_layer(atlas, pairs, places=["first"])


def test_what_sublayers_write_adds_up(small):
    model, pairs = small
    added = attribution_by_sublayer(model, pairs).sum(0)
    net = read_network(model)
    logits = pairs.clean_logits(model) - pairs.clean_logits(model).mean(-1, keepdim=True)
    own = logits.gather(-1, pairs.answer_ids[:, None])[:, 0]
    if net.norm.bias is not None:
        shift = net.norm.bias @ net.W_U
        own = own - (shift[pairs.answer_ids] - shift.mean())
    bias = net.b_U[pairs.answer_ids] - net.b_U.mean()
    assert torch.allclose(added, own - bias, atol=1e-3)
