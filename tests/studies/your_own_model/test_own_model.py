"""Models that aren't the book's: opened or replaced, asked whatever their tokenizer does, and given texts."""

from dataclasses import replace

import pytest
import torch
from small_models import llama_shaped
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from helpers import Circuit, Graph, eap, load_model, relation, relation_pairs, run_circuit
from helpers.editing.edit import sample_text
from helpers.editing.rome import statements
from helpers.models.predict import answer_ids, prompt_ids, token_span, top1_correct
from helpers.studies.your_own_model.own_model import (
    FALLBACKS,
    answer_ranks,
    open_model,
)


def test_without_a_network_an_embedded_model_stands_in_and_says_so(monkeypatch):
    monkeypatch.setattr("helpers.models.load.hub_answers", lambda: False)
    opened = open_model("no-such-owner/no-such-model")
    assert opened.name in FALLBACKS and opened.wanted == "no-such-owner/no-such-model"
    assert opened.model.cfg.n_layers == 6
    page = opened._repr_html_()
    assert f"computed on {opened.name}, not on no-such-owner/no-such-model" in page and "can't be reached" in page
    assert "<script>" not in replace(opened, wanted="<script>")._repr_html_()
    assert "Embedding" not in repr(opened)


def test_a_build_doesnt_ask_the_network(monkeypatch):
    monkeypatch.setattr("helpers.models.load.hub_answers", lambda: pytest.fail("the hub was asked"))
    assert "doesn't ask the network" in open_model("no-such-owner/no-such-model", local_only=True).why


def test_the_wanted_model_needs_no_excuse():
    opened = open_model("atlas-seed1")
    assert opened.name == "atlas-seed1" and not opened.why
    assert "computed on atlas-seed1." in opened._repr_html_()


def test_a_damaged_folder_has_no_stand_in(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        open_model(str(tmp_path))


def test_ranks_are_those_of_recall(atlas):
    asked = relation("country_language")
    ranks = answer_ranks(atlas, asked, asked.facts[:20])
    prompts, answers = [asked.prompt(f) for f in asked.facts[:20]], [f" {f.answer}" for f in asked.facts[:20]]
    assert ((ranks["rank"] == 0).tolist()) == top1_correct(atlas, prompts, answers).bool().tolist()
    assert ranks.fact.tolist() == list(asked.facts[:20])
    assert not (ranks.whole & (ranks["rank"] > 0)).any(), "who says the whole answer says its beginning"


def test_texts_begin_with_bos_once(atlas):
    for rows in (statements(atlas, ["country_capital"], most=5), sample_text(atlas, 3, 4)):
        assert all(row[0] == 0 and 0 not in row[1:] for row in rows)
    assert sample_text(atlas, 3, 4) == sample_text(atlas, 3, 4) != sample_text(atlas, 3, 4, seed=1)
    stated = atlas.tokenizer.decode(statements(atlas, ["country_capital"], most=1)[0][1:])
    assert any(f.subject in stated and stated.endswith(f.answer) for f in relation("country_capital").facts)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """A Llama whose tokenizer puts BOS before every text and cuts names into pieces, as TinyLlama's does."""
    folder, capitals = tmp_path_factory.mktemp("pieces"), relation("country_capital")
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<s>", "<unk>"], show_progress=False)
    tokenizer.train_from_iterator([f"{capitals.prompt(f)} {f.answer}" for f in capitals.facts], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    torch.manual_seed(0)
    llama_shaped().save_pretrained(folder)
    options = dict(bos_token="<s>", eos_token="<s>", unk_token="<unk>")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **options).save_pretrained(folder)
    return load_model(str(folder), device="cpu")


def test_prompts_have_one_bos(pieces):
    assert pieces.tokenizer.encode("The capital of France is")[0] == 0, "by itself"
    ids = prompt_ids(pieces.tokenizer, "The capital of France is")
    assert ids[0] == 0 and 0 not in ids[1:]


def test_names_in_pieces_are_found(pieces):
    capitals = relation("country_capital")
    lengths = []
    for fact in capitals.facts:
        span = token_span(pieces.tokenizer, capitals.prompt(fact), fact.subject)
        lengths.append(span.stop - span.start)
        ids = prompt_ids(pieces.tokenizer, capitals.prompt(fact))
        assert pieces.tokenizer.decode(ids[span]).strip() == fact.subject
        answer = answer_ids(pieces.tokenizer, capitals.prompt(fact), f" {fact.answer}")
        assert pieces.tokenizer.decode(answer).strip() == fact.answer
    assert max(lengths) > 3, "names fall into pieces"


def test_circuits_of_such_a_model(pieces):
    pairs, graph = relation_pairs(pieces, "country_capital", 8, known=False), Graph.from_model(pieces)
    assert any(len(answer_ids(pieces.tokenizer, p, a)) > 1 for p, a in zip(pairs.clean, pairs.answers, strict=True))
    assert (run_circuit(pieces, Circuit.full(graph), pairs) - pairs.clean_logits(pieces)).abs().max() < 1e-4
    assert eap(pieces, pairs).top(10).n_edges == 10
    assert len(answer_ranks(pieces, relation("country_capital"))) > 100
