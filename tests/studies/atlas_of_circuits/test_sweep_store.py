"""Result files are whole or absent, damage is seen, and the table is what the files hold."""

import errno
import json
import os

import pandas as pd
import pytest
import torch

from helpers import Circuit, Graph
from helpers.studies.atlas_of_circuits import sweep_store as store
from helpers.studies.atlas_of_circuits.sweep_jobs import SweepError
from helpers.studies.atlas_of_circuits.sweep_store import (
    pack,
    read_result,
    read_results,
    result_path,
    unpack,
    write_result,
    write_sweep_table,
)

GRAPH = {"n_layers": 2, "n_heads": 2, "n_groups": 2}


def result(folder, key="a" * 32, edges=("embed->m0", "m0->logits"), seed=0):
    labels = {"model": "toy", "relation": "r", "method": "eap", "size": "share 0.1", "seed": seed}
    found = {"weights": "w", "measured": {"edges": len(edges), "faithfulness": 0.5}, "graph": GRAPH, "edges": edges}
    return write_result(folder, key, labels, found)


def test_a_result_comes_back_and_is_a_circuit(tmp_path):
    result(tmp_path)
    path = result_path(tmp_path, "a" * 32)
    assert read_result(path)["measured"] == {"edges": 2, "faithfulness": 0.5}
    assert Circuit.load(path) == Circuit.from_edges(Graph(**GRAPH), ["embed->m0", "m0->logits"])


@pytest.mark.parametrize(
    "damage",
    [lambda t: t[: len(t) // 2], lambda t: "", lambda t: t.replace("0.5", "0.6"), lambda t: "[]", lambda t: "\0" * 9],
)
def test_a_damaged_file_is_one_sentence_and_the_others_count(tmp_path, damage):
    result(tmp_path)
    result(tmp_path, "b" * 32)
    path = result_path(tmp_path, "a" * 32)
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(SweepError, match="is damaged"):
        read_result(path)
    results, damaged = read_results(tmp_path)
    assert list(results) == ["b" * 32] and len(damaged) == 1 and str(path) in damaged[0]


def test_a_file_under_another_name_does_not_count(tmp_path):
    result(tmp_path)
    os.rename(result_path(tmp_path, "a" * 32), result_path(tmp_path, "b" * 32))
    assert read_results(tmp_path)[0] == {}


def test_results_of_another_schema_do_not_count(tmp_path, monkeypatch):
    result(tmp_path)
    monkeypatch.setattr(store, "SCHEMA", store.SCHEMA + 1)
    assert read_results(tmp_path) == ({}, [])


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_is_one_sentence_and_the_rest_is_kept(tmp_path, monkeypatch, step):
    result(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, step, full)
    with pytest.raises(SweepError, match="No space left on device.*is kept: make room"):
        result(tmp_path, "b" * 32)
    assert list(read_results(tmp_path)[0]) == ["a" * 32]
    assert [path.name for path in (tmp_path / "circuits").iterdir()] == ["a" * 32 + ".json"]


def test_half_written_files_are_removed_once_nobody_can_be_writing_them(tmp_path):
    result(tmp_path)
    old, new = (tmp_path / "circuits" / f"{name}{store.UNFINISHED}" for name in ("old", "new"))
    for path in (old, new):
        path.write_text("{")
    os.utime(old, (0, 0))
    store.remove_forgotten(tmp_path)
    assert new.exists() and not old.exists() and len(read_results(tmp_path)[0]) == 1


def test_the_table_has_the_rows_asked_for_and_all_others_in_the_folder(tmp_path):
    for n, key in enumerate("ab"):
        result(tmp_path, key * 32, seed=n)
    asked = {"model": "copy", "relation": "r", "method": "eap", "size": "share 0.1", "seed": 0, "key": "a" * 32}
    skipped = {"model": "copy", "relation": "s", "method": "eap", "size": "share 0.1", "seed": 0, "status": "skipped"}
    table = pd.read_csv(write_sweep_table(tmp_path, [asked, skipped]))
    assert table.model.tolist() == ["copy", "copy", "toy"] and table.key.tolist()[::2] == ["a" * 32, "b" * 32]


def test_circuits_in_one_file(tmp_path):
    result(tmp_path, "b" * 32, ["embed->m0"], seed=1)
    result(tmp_path, "a" * 32, ["embed->m0", "m0->logits", "a0.h1->m1"], seed=2)
    result(tmp_path, "c" * 32, [], seed=0)
    table = pack(tmp_path, tmp_path / "all.safetensors")
    circuits = unpack(tmp_path / "all.safetensors")
    assert table.seed.tolist() == [0, 1, 2] and [c.n_edges for c in circuits] == [0, 1, 3]
    for key, circuit in zip(table.key, circuits, strict=True):
        assert circuit == Circuit.load(result_path(tmp_path, key))
        assert circuit.mask.dtype == torch.bool
    (tmp_path / "all.safetensors").write_bytes(b"no")
    for name in ("all", "none"):
        with pytest.raises(SweepError, match="isn't a file of circuits"):
            unpack(tmp_path / f"{name}.safetensors")


def test_circuits_of_several_graphs_do_not_go_into_one_file(tmp_path):
    result(tmp_path)
    path = result_path(tmp_path, "a" * 32)
    raw = json.loads(path.read_text(encoding="utf-8"))
    write_result(
        tmp_path, "b" * 32, raw["labels"], {k: raw[k] for k in ("weights", "measured", "edges")} | {"graph": {}}
    )
    with pytest.raises(SweepError, match="2 graphs"):
        pack(tmp_path, tmp_path / "all.safetensors")


def test_results_of_earlier_weights_do_not_go_into_one_file(tmp_path):
    result(tmp_path, "a" * 32)
    result(tmp_path, "b" * 32)
    with pytest.raises(SweepError, match="empty folder with --out"):
        pack(tmp_path, tmp_path / "all.safetensors")
    assert not (tmp_path / "all.safetensors").exists()
