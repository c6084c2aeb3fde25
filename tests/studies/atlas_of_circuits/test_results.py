"""Result files are whole or absent, damage is seen, and the table is what the files hold."""

import errno
import os

import pytest

from helpers import Circuit, Graph
from helpers.studies import tables as table_files
from helpers.studies.atlas_of_circuits import run
from helpers.studies.atlas_of_circuits.jobs import Job
from helpers.studies.atlas_of_circuits.run import read_results, read_sweep, sweep, table_of, write_result
from helpers.studies.tables import write_table

GRAPH = {"n_layers": 2, "n_heads": 2, "n_groups": 2}
PAIRS = {"clean": [[0, 1]], "corrupt": [[0, 2]], "answers": [3], "wrong": [4]}


def job(seed=0, **labels):
    names = {"model": "toy", "relation": "r", "kind": "own", "method": "eap", "size": "share 0.1", "seed": seed}
    names |= {"ablation": "corrupt", "metric": "logit_diff"}
    return Job(names | labels, "toy", "w", {"draw": seed}, PAIRS, PAIRS)


def result(folder, seed=0, edges=("embed->m0", "m0->logits"), graph=GRAPH, **labels):
    """Write a result; return its key."""
    measured = {"edges": len(edges), "faithfulness": 0.5}
    return write_result(folder, job(seed, **labels), {"measured": measured, "graph": graph, "edges": edges})["key"]


def path_of(folder, key):
    return folder / "circuits" / f"{key}.json"


def test_a_result_comes_back_and_is_a_circuit(tmp_path):
    key = result(tmp_path)
    assert key == job().key and read_results(tmp_path)[0][key]["measured"] == {"edges": 2, "faithfulness": 0.5}
    assert Circuit.load(path_of(tmp_path, key)) == Circuit.from_edges(Graph(**GRAPH), ["embed->m0", "m0->logits"])


@pytest.mark.parametrize(
    "damage",
    [lambda t: t[: len(t) // 2], lambda t: "", lambda t: t.replace("0.5", "0.6"), lambda t: "[]", lambda t: "\0" * 9],
)
def test_a_damaged_file_is_one_sentence_and_the_others_count(tmp_path, damage):
    keys = [result(tmp_path, seed) for seed in (0, 1)]
    path = path_of(tmp_path, keys[0])
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    results, damaged = read_results(tmp_path)
    assert list(results) == keys[1:] and len(damaged) == 1
    assert str(path) in damaged[0] and "is damaged" in damaged[0]


def test_a_file_under_another_name_does_not_count(tmp_path):
    os.rename(path_of(tmp_path, result(tmp_path)), path_of(tmp_path, "b" * 32))
    assert read_results(tmp_path)[0] == {}


def test_results_of_another_schema_do_not_count(tmp_path, monkeypatch):
    result(tmp_path)
    monkeypatch.setattr(run, "SCHEMA", run.SCHEMA + 1)
    assert read_results(tmp_path) == ({}, [])


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_keeps_the_rest(tmp_path, monkeypatch, step):
    key = result(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left on device"):
        result(tmp_path, 1)
    assert list(read_results(tmp_path)[0]) == [key]
    assert [path.name for path in (tmp_path / "circuits").iterdir()] == [f"{key}.json"]


def test_a_half_written_file_does_not_count(tmp_path):
    key = job().key
    half = tmp_path / "circuits" / f".{key}.json.1.part"
    half.parent.mkdir()
    half.write_text('{"schema"', encoding="utf-8")
    assert read_results(tmp_path) == ({}, [])
    result(tmp_path)
    assert list(read_results(tmp_path)[0]) == [key]


def test_the_table_has_the_rows_asked_for_and_all_others_in_the_folder(tmp_path):
    keys = [result(tmp_path, seed) for seed in (0, 1)]
    skipped = job(relation="s", model="copy").labels | {"status": "skipped", "reason": "too few"}
    table = sweep([job(model="copy")], tmp_path, skipped=[skipped], workers=1).table
    assert table.model.tolist() == ["copy", "copy", "toy"] and table.key.tolist()[::2] == keys
    assert table.status.tolist() == ["done", "skipped", "done"]


def test_circuits_of_several_graphs_come_back_from_a_table(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "TABLES", tmp_path / "tables")
    grouped = {"n_layers": 1, "n_heads": 4, "n_groups": 2}
    edges = [["embed->m0"], ["embed->m0", "m0->logits", "a0.h1->m1"], [], ["embed->a0.kv1<k>"]]
    keys = [result(tmp_path, n, part, GRAPH if n < 3 else grouped) for n, part in enumerate(edges)]
    write_table("mine", table_of([], list(read_results(tmp_path)[0].values())))
    table = read_sweep("mine")
    assert table.seed.tolist() == [0, 1, 2, 3] and table.key.tolist() == keys
    assert [c.n_edges for c in table.circuit] == table.edges.tolist() == [1, 3, 0, 1]
    for key, circuit in zip(keys, table.circuit, strict=True):
        assert circuit == Circuit.load(path_of(tmp_path, key))
    with pytest.raises(FileNotFoundError, match="no table 'none'; there are mine"):
        read_sweep("none")
