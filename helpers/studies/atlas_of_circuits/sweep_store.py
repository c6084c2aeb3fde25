"""Results of a sweep on disk: one JSON file for each circuit, written whole or not at all, and a table made of them.

A file is what `Circuit.save` writes, with the numbers beside the edges, so `Circuit.load` reads it too. It appears
under its final name only when it is complete; a process killed at any moment leaves whole files.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from helpers.circuits.graph import Circuit, Graph
from helpers.studies.atlas_of_circuits.sweep_jobs import SCHEMA, SweepError, digest
from helpers.studies.tables import TABLES, read_table

CIRCUITS = "circuits"  # the folder of result files, and the name of the table
UNFINISHED = ".unfinished"
FORGOTTEN = 3600.0  # seconds after which an unfinished file belongs to nobody


def result_path(folder: Path, key: str) -> Path:
    """Where the result of a job lies."""
    return folder / CIRCUITS / f"{key}.json"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that under its name there is never a part of it.

    Raises:
        SweepError: if it can't be written, for instance to a full disk.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=UNFINISHED, delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # a temporary file is for its owner only
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise SweepError(
            f"{path} can't be written ({error.strerror or error}). What was finished before is kept: "
            "make room or mend that, and give the same command again."
        ) from error


def write_result(folder: Path, key: str, labels: Mapping[str, object], found: Mapping[str, object]) -> dict:
    """Keep a result under its key: its labels, and what `compute` gave; returns it."""
    result = {"schema": SCHEMA, "key": key, "labels": dict(labels), **found}
    checked = result | {"checksum": digest(result)}
    write_whole(result_path(folder, key), (json.dumps(checked, indent=1) + "\n").encode())
    return result


def read_result(path: Path) -> dict[str, object]:
    """A result from its file.

    Raises:
        SweepError: if the file is damaged.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        checksum = result.pop("checksum")
        if digest(result) != checksum or path.stem != result["key"]:
            raise ValueError("its checksum differs")
        return result
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise SweepError(
            f"{path} is damaged ({error}): it doesn't count, and is computed again when asked for"
        ) from error


def read_results(folder: Path) -> tuple[dict[str, dict[str, object]], list[str]]:
    """All results of this schema in a folder, by key, and a sentence for each damaged file."""
    results, damaged = {}, []
    for path in sorted((folder / CIRCUITS).glob("*.json")):
        try:
            result = read_result(path)
        except SweepError as error:
            damaged.append(str(error))
            continue
        if result["schema"] == SCHEMA:
            results[result["key"]] = result
    return results, damaged


def remove_forgotten(folder: Path) -> None:
    """Remove what killed processes left half-written, and spare what another process may be writing just now."""
    for path in (folder / CIRCUITS).glob(f"*{UNFINISHED}"):
        if time.time() - path.stat().st_mtime > FORGOTTEN:
            path.unlink(missing_ok=True)


def row_of(labels: Mapping[str, object], result: Mapping[str, object]) -> dict[str, object]:
    """The row of a finished result in the table."""
    return {**labels, "status": "done", **result["measured"], **{name: result[name] for name in ("weights", "key")}}


def table_of(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """The tidy table: one row for each circuit, in the order of model, kind, relation, method, size and seed."""
    table = pd.DataFrame(list(rows)).convert_dtypes(convert_string=False, convert_boolean=False)
    order = [name for name in ("model", "kind", "relation", "method", "size", "seed") if name in table]
    return table.sort_values(order, ignore_index=True) if order else table


def write_sweep_table(folder: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write the rows to ``circuits.csv``, beside those of all other results in the folder."""
    results, _ = read_results(folder)
    asked = {row.get("key") for row in rows}
    others = [row_of(result["labels"], result) for key, result in results.items() if key not in asked]
    path = folder / f"{CIRCUITS}.csv"
    write_whole(path, table_of([*rows, *others]).round(4).to_csv(index=False, lineterminator="\n").encode())
    return path


def pack(folder: Path, path: Path) -> pd.DataFrame:
    """Put all circuits of a folder into one safetensors file; returns their table, row by row in the same order.

    Raises:
        SweepError: if there is none, they aren't circuits of one graph, or two are results of the same question.
    """
    results, _ = read_results(folder)
    graphs = {json.dumps(result["graph"], sort_keys=True) for result in results.values()}
    if len(graphs) != 1:
        raise SweepError(f"{folder} holds circuits of {len(graphs)} graphs; one file takes those of one")
    asked = [json.dumps(result["labels"], sort_keys=True) for result in results.values()]
    if len(set(asked)) < len(asked):
        raise SweepError(
            f"{folder} also holds results of earlier weights, facts or arguments; sweep into an empty folder with --out"
        )
    table = table_of(row_of(result["labels"], result) for result in results.values())
    graph = Graph(**json.loads(graphs.pop()))
    masks = [Circuit.from_edges(graph, results[key]["edges"]).mask[graph.edges] for key in table.key]
    places = [mask.nonzero().flatten().to(torch.int32) for mask in masks]
    tensors = {"places": torch.cat(places), "counts": torch.tensor([len(p) for p in places], dtype=torch.int32)}
    write_whole(path, save(tensors, {name: str(value) for name, value in asdict(graph).items()}))
    return table


def unpack(path: Path) -> list[Circuit]:
    """The circuits of a file that `pack` wrote, in the order of its table.

    Raises:
        SweepError: if the file is damaged or missing.
    """
    try:
        with safe_open(path, "pt") as file:
            graph = Graph(**{name: int(value) for name, value in file.metadata().items()})
            places, counts = file.get_tensor("places").long(), file.get_tensor("counts").tolist()
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        raise SweepError(f"{path} isn't a file of circuits that a sweep wrote: {error}") from error
    edges, circuits = graph.edges.nonzero(), []
    for part in places.split(counts):
        mask = torch.zeros_like(graph.edges)
        mask[tuple(edges[part].T)] = True
        circuits.append(Circuit(graph, mask))
    return circuits


def read_sweep(name: str = "sweep") -> pd.DataFrame:
    """A sweep that is kept with the book: its table, with a column ``circuit``.

    Raises:
        FileNotFoundError, SweepError: if the table or the file of circuits is missing or damaged.
    """
    return read_table(name).assign(circuit=unpack(TABLES / f"{name}.safetensors"))
