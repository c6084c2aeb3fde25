"""Packing loses nothing, documents don't see each other, and a stopped run ends where an unbroken one does."""

import json
import random

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from helpers.atlas import training
from helpers.atlas.corpus import Document
from helpers.atlas.training import (
    IGNORED,
    TrainingPlan,
    attention_mask,
    batches,
    pack,
    planned_model,
    rate,
    row_losses,
    train,
)
from helpers.models.load import WEIGHTS

SMALL = TrainingPlan(d_model=16, n_layers=2, n_heads=2, context=16, rows_per_step=4, save_every=2, checkpoints=(3,))


@pytest.fixture
def small_corpus(monkeypatch, tmp_path):
    """A corpus of fifty short documents, and a folder with a tokenizer."""
    rng = random.Random(0)
    documents = [
        Document("repeat", "", 1.0, tokens=tuple(rng.choices(range(300, 320), k=rng.randint(3, 9)))) for _ in range(50)
    ]
    monkeypatch.setattr(training, "documents", lambda name, seed, vocabulary, more_repeats: documents)
    Tokenizer.from_file(str(WEIGHTS / "atlas" / "tokenizer.json")).save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_packing_keeps_every_document():
    rng = random.Random(1)
    sequences = [[rng.randint(1, 99) for _ in range(rng.randint(1, 12))] for _ in range(200)]
    rows = pack(sequences, context=16, bos=0)
    found = []
    for r in range(len(rows.tokens)):
        for number in range(int(rows.document[r].max()) + 1):
            inside = rows.document[r] == number
            tokens, targets, position = rows.tokens[r, inside], rows.targets[r, inside], rows.position[r, inside]
            assert tokens[0] == 0 and targets[-1] == 0
            assert position.tolist() == list(range(len(tokens)))
            assert targets[:-1].tolist() == tokens[1:].tolist()
            found.append(targets[:-1].tolist())
    assert sorted(found) == sorted(sequences)
    assert (rows.targets[rows.document == -1] == IGNORED).all()
    assert (rows.document >= 0).float().mean() > 0.9


def test_a_document_longer_than_the_context_is_cut():
    rows = pack([list(range(1, 40))], context=16, bos=0)
    assert rows.tokens.tolist() == [list(range(16))]


def test_a_document_sees_itself_only():
    mask = attention_mask(torch.tensor([[0, 0, 1, 1, -1]]))[0, 0]
    assert (mask == 0).tolist() == [
        [True, False, False, False, False],
        [True, True, False, False, False],
        [False, False, True, False, False],
        [False, False, True, True, False],
        [False, False, False, False, True],
    ]


def test_packed_documents_have_the_loss_that_they_have_alone():
    model = planned_model(SMALL, vocabulary_size=400).eval()
    sequences = [[5, 6, 7], [8, 9], [10, 11, 12, 13]]
    together = row_losses(model, pack(sequences, 16, 0), slice(None)).sum()
    alone = sum(row_losses(model, pack([s], 16, 0), slice(None)).sum() for s in sequences)
    torch.testing.assert_close(together, alone)


def test_the_learning_rate_rises_stays_falls_and_has_a_last_course():
    plan = TrainingPlan(warmup_steps=10.0, decay=0.5, last_course_rate=0.2)
    rates = [rate(step, 100, 20, plan) for step in range(120)]
    assert rates[0] == pytest.approx(0.1) and rates[30] == 1.0 and rates[99] == pytest.approx(0.02)
    assert rates[:10] == sorted(rates[:10]) and rates[50:100] == sorted(rates[50:100], reverse=True)
    assert rates[100] == 0.2 and rates[119] == pytest.approx(0.01)


def test_a_step_never_spans_two_parts():
    parts = [pack([[1, 2, 3]] * n, context=4, bos=0) for n in (5, 3)]
    rows, slices = batches(parts, size=2)
    assert [(s.start, s.stop) for s in slices] == [(0, 2), (2, 4), (4, 5), (5, 7), (7, 8)]
    assert len(rows.tokens) == 8


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_a_stopped_run_ends_where_an_unbroken_one_does(small_corpus):
    def run(name, *parts):
        for max_steps in parts:
            train(
                SMALL,
                small_corpus / name,
                tokenizer_folder=small_corpus,
                device="cpu",
                max_steps=max_steps,
            )
        return weights(small_corpus / name / "final")

    unbroken, stopped = run("unbroken", 6), run("stopped", 3, 5, 6)
    assert unbroken.keys() == stopped.keys()
    assert all(torch.equal(unbroken[k], stopped[k]) for k in unbroken)
    start = planned_model(SMALL).state_dict()["transformer.wte.weight"].half()
    assert not torch.equal(unbroken["transformer.wte.weight"], start)
    assert (small_corpus / "unbroken" / "step3" / "model.safetensors").exists()
    steps = [int(line.split(",")[0]) for line in (small_corpus / "stopped" / "loss.csv").read_text().splitlines()]
    assert steps == [0, 1, 2, 2, 3, 4, 4, 5]  # saved every two steps: what came after is done again


def test_a_kill_while_saving_leaves_the_last_state(small_corpus, monkeypatch):
    folder = small_corpus / "run"
    train(SMALL, folder, tokenizer_folder=small_corpus, device="cpu", max_steps=2)
    before = (folder / "state.safetensors").read_bytes()

    def killed(tensors, path, **kwargs):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(training, "save_file", killed)
    with pytest.raises(OSError, match="No space"):
        train(SMALL, folder, tokenizer_folder=small_corpus, device="cpu", max_steps=4)
    assert (folder / "state.safetensors").read_bytes() == before and not list(folder.glob("*.part"))


def test_the_result_is_a_plain_hugging_face_directory(small_corpus):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = train(SMALL, small_corpus / "run", tokenizer_folder=small_corpus, device="cpu", max_steps=1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert model.config.model_type == "gpt2" and model.config.activation_function == "gelu_new"
    assert AutoTokenizer.from_pretrained(folder).bos_token_id == model.config.bos_token_id
    assert all(t.dtype == torch.float16 for t in weights(folder).values())
    assert json.loads((small_corpus / "run" / "plan.json").read_text())["seed"] == SMALL.seed


def test_training_learns(small_corpus):
    plan = TrainingPlan(d_model=32, n_layers=1, n_heads=2, context=16, rows_per_step=2, warmup_steps=2.0)
    train(plan, small_corpus / "run", tokenizer_folder=small_corpus, device="cpu")
    losses = [float(line.split(",")[1]) for line in (small_corpus / "run" / "loss.csv").read_text().splitlines()]
    assert sum(losses[-3:]) < sum(losses[:3]) - 3
