"""What a lens reads at a subject, on a model that was told nothing and on the committed table."""

import pytest
import torch

from helpers import read_network, relation
from helpers.models.predict import answer_ids, prompt_ids
from helpers.models.run import residuals
from helpers.studies.mlps import attributes
from helpers.studies.tables import read_table


def test_attributes_come_from_relations_read_both_ways():
    known = attributes.attributes([relation("country_capital")], [relation("landmark_country")])
    assert known["France"][0] == "Paris" and "the Eiffel Tower" in known["France"]
    assert set(known) == {fact.subject for fact in relation("country_capital").facts}


def test_an_article_is_no_attribute(atlas):
    tower, name = (answer_ids(atlas.tokenizer, "of", f" {word}")[0] for word in ("Eiffel", "France"))
    assert attributes.first_tokens(atlas, "France", ["the Eiffel Tower", "France"]) == {tower} - {name}


def test_the_lens_reads_the_texts_last_state(atlas):
    names, text = ["Spain", "Eiffel Tower", "France"], "The name {}"
    lens, net = attributes.lens_at_subject(atlas, text, names), read_network(atlas)
    for name, logits in zip(names, lens, strict=True):
        stops = residuals(net, torch.tensor([prompt_ids(atlas.tokenizer, text.format(name))]))
        assert torch.allclose(logits, net.unembed(stops[::2, 0, -1]), atol=1e-3)


def test_rates_are_counted_as_said(atlas):
    known = {"France": ["Paris", "Europe"], "Spain": ["Madrid", "Europe"], "Japan": ["Tokyo", "Asia"]}
    table = attributes.attribute_rates(atlas, "{}", known, k=5).set_index(["subject", "layers"])
    assert len(table) == 3 * (1 + atlas.cfg.n_layers)
    lens = attributes.lens_at_subject(atlas, "{}", list(known))
    first = {word: answer_ids(atlas.tokenizer, "of", f" {word}")[0] for words in known.values() for word in words}
    own, other = (["Paris", "Europe"], ["Madrid", "Tokyo", "Asia"])
    for layers in range(1 + atlas.cfg.n_layers):
        row, top = table.loc[("France", layers)], lens[0, layers].topk(5).indices.tolist()
        assert row.own == sum(first[w] in top for w in own) / 2
        assert row.other == pytest.approx(sum(first[w] in top for w in other) / 3)
        raised = lens[0, layers] - lens[:, layers].mean(0)
        wins = sum(bool(raised[first[a]] > raised[first[b]]) for a in own for b in other)
        assert row.above == pytest.approx(wins / 6)


def test_means_over_subjects(atlas):
    known = attributes.drawn(attributes.attributes([relation("country_capital")]), 8)
    assert len(known) == 8 and known == attributes.drawn(attributes.attributes([relation("country_capital")]), 8)
    rates = attributes.attribute_rates(atlas, "{}", known)
    table = attributes.by_layers(rates)
    assert table.above.tolist() == pytest.approx(rates.groupby("layers").above.mean().tolist())
    assert (table.low <= table.above).all() and (table.above <= table.high).all()


def test_the_table_has_every_kind(smollm2):
    table = read_table("smollm2_attributes")
    assert list(table.kind.unique()) == list(attributes.KINDS)
    tables, backwards = ([relation(name) for name in names] for names in attributes.KINDS["companies"])
    known = attributes.drawn(attributes.attributes(tables, backwards))
    subject = next(iter(known))
    lens = attributes.lens_at_subject(smollm2, attributes.TEXT, [subject])
    assert lens.shape == (1, 31, smollm2.cfg.d_vocab)
