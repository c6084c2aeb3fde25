"""The explorer's committed files: whole, small, and what the library gives."""

import gzip
import json
import os
from contextlib import suppress
from functools import cache
from unittest.mock import Mock

import pytest
import torch
from _tools import ToolError
from _tools.explorer_atlas import SOURCE as ATLAS
from _tools.explorer_atlas import relation_entry, swept
from _tools.explorer_circuits import ONE_SEARCH, SIZES, edge_numbers
from _tools.explorer_data import CALL, DATA, Job, Source, beginning, index, script, write_explorer
from _tools.explorer_smollm2 import SOURCE as SMOLLM2

from helpers import Graph

SOURCES = SMOLLM2, ATLAS
FILES = sorted(path for path in DATA.resolve().glob("*/*.js"))
ENTRIES = [f"{path.parent.name}/{path.stem}" for path in FILES if path.stem != "index"]
LIMIT = 4_000_000  # bytes, compressed
LISTS = ("edges", "scores")
COLUMNS = ("kept", "low", "high", "random", "sizes")


@cache
def read(name: str) -> list:
    before, after = CALL.split("{}({})")[0], ");\n"
    text = (DATA / f"{name}.js").read_text(encoding="ascii")
    assert text.startswith(before) and text.endswith(after)
    return json.loads(f"[{text.split('(', 1)[1].removesuffix(after)}]")


@cache
def circuits() -> dict:
    return swept()


def test_the_page_begins_with_the_models():
    assert read("index") == json.loads(json.dumps([beginning(SOURCES)]))


@pytest.mark.parametrize("model", ["atlas", "smollm2"])
def test_an_index_names_every_file_and_no_other(model: str):
    (found,) = read(f"{model}/index")
    names = {path.stem for path in FILES if path.parent.name == model}
    assert found["model"] == model and {line["id"] for line in found["entries"]} | {"index"} == names
    graph = Graph(*(found["graph"][name] for name in ("n_layers", "n_heads", "n_groups")))
    assert tuple(found["graph"]["readers"]) == graph.readers and sum(found["graph"]["visible"]) == graph.n_edges


def test_everything_that_was_asked_for_is_there():
    (found,) = read("atlas/index")
    idents = {line["id"] for line in found["entries"]}
    assert set(circuits()) <= idents and len(circuits()) == 45
    kinds = [couple["kind"] for couple in found["couples"]]
    assert kinds.count("edit") >= 10 and kinds.count("list") >= 5
    for couple in found["couples"]:
        assert {couple["a"], couple["b"]} <= idents
    assert all(line["heads_of"] in idents for line in found["entries"])


def test_all_files_together_are_small():
    assert sum(len(gzip.compress(path.read_bytes(), 6)) for path in FILES) < LIMIT


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_whole(name: str):
    ident, entry = read(name)
    assert ident == name
    shape = read(f"{name.split('/')[0]}/index")[0]["graph"]
    n_heads, n_edges = shape["n_layers"] * shape["n_heads"], sum(shape["visible"])
    for found in entry["searches"].values():
        assert all(len(found[name]) == found["sizes"][-1] for name in LISTS)
        assert len({len(found[name]) for name in COLUMNS}) == 1
        assert len(set(found["edges"])) == len(found["edges"]) and max(found["edges"]) < n_edges
        assert all(
            low <= kept <= high for low, kept, high in zip(*(found[c] for c in ("low", "kept", "high")), strict=True)
        )
    for prompt in entry["prompts"]:
        assert {len(row) for row in prompt["top"] + prompt["answer_p"]} == {len(prompt["tokens"])}
        assert len(prompt["top"]) == len(prompt["answer_p"]) == 2 * shape["n_layers"] + 1
    assert len(entry["words"]) == len(shape["sources"])
    assert len(entry.get("heads", {"classes": " " * n_heads})["classes"]) == n_heads


@pytest.mark.parametrize("name", sorted(circuits()))
def test_the_sweeps_circuits_are_among_the_sizes(name: str):
    found, rows = read(f"atlas/{name}")[1]["searches"], circuits()[name]
    for key, method, size in (("acdc/corrupt", "acdc", -1), ("eap_ig/corrupt", "eap_ig", None)):
        own = found[key]
        wanted = rows[method].circuit
        n = own["sizes"][-1] if size == -1 else own["keep"]
        numbers = set(edge_numbers(wanted.graph)[wanted.mask].tolist())
        shared = len(numbers & set(own["edges"][:n])) / len(numbers)
        assert n == wanted.n_edges and shared > (0.999 if size == -1 else 0.95)


def test_a_fresh_computation_agrees(atlas):
    name = "country_capital"
    fresh = relation_entry(atlas, name, circuits()[name], ONE_SEARCH)
    kept = read(f"atlas/{name}")[1]
    for key in ("eap_ig/corrupt", "acdc/corrupt"):
        new, old = fresh["searches"][key], kept["searches"][key]
        assert new["sizes"] == old["sizes"]
        assert new["kept"] == pytest.approx(old["kept"], abs=0.01)
        assert new["scores"] == pytest.approx(old["scores"], rel=0.02, abs=1e-3)
        for size in new["sizes"]:
            assert len(set(new["edges"][:size]) & set(old["edges"][:size])) >= 0.97 * size
    assert fresh["heads"]["classes"] == kept["heads"]["classes"]
    assert fresh["words"] == kept["words"]
    assert fresh["prompts"][0]["text"] == kept["prompts"][0]["text"]
    assert set(SIZES) < set(new["sizes"]) | set(fresh["searches"]["eap_ig/corrupt"]["sizes"])


def test_scripts_are_plain_ascii_and_the_same_each_time():
    text = script("add", "x", {"word": "\u2192", "p": 0.5})
    assert text == 'kcExplorer.add("x", {"word":"\\u2192","p":0.5});\n'
    graph = Graph(2, 2, 2)
    assert script("open", index(ATLAS, graph, [], [])) == script("open", index(ATLAS, graph, [], []))
    assert torch.equal(torch.tensor(index(ATLAS, graph, [], [])["graph"]["visible"]), graph.edges.sum(1))


def test_bad_questions_and_places_are_refused(atlas, tmp_path):
    with pytest.raises(ValueError, match="nothing"):
        relation_entry(atlas, "nothing", {})
    with pytest.raises(ToolError, match="book's folder"):
        write_explorer(atlas, ATLAS, SOURCES, tmp_path / "explorer" / "data")


def test_nothing_is_written_before_everything_is_made(atlas, tmp_path, monkeypatch):
    asked = []

    def made(name: str, text: str = ""):
        asked.append(name)
        if text == "broken":
            raise RuntimeError("halfway")
        return [({"id": name}, {"text": text}, None)]

    def write(text: str):
        jobs = lambda _: iter([Job("one", lambda: made("one")), Job("two", lambda: made("two", text))])  # noqa: E731
        source = Source("small", "A small one", jobs, 50)
        return write_explorer(atlas, source, [source], tmp_path / "data", tmp_path / "kept")

    with suppress(RuntimeError):
        write("broken")
    assert not (tmp_path / "data").exists()
    names = ["one.js", "two.js", "index.js", "index.js"]
    assert [path.name for path in write("whole")] == names
    assert asked == ["one", "two", "two"], "goes on where it was stopped"
    assert not (tmp_path / "kept" / "small").exists(), "and begins anew when all is written"
    old = (tmp_path / "data" / "small" / "two.js").read_text(encoding="ascii")
    write("kept")
    write("kept")
    monkeypatch.setattr(os, "replace", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left on device"):
        write("other")
    assert (tmp_path / "data" / "small" / "two.js").read_text(encoding="ascii") == old.replace("whole", "kept")
