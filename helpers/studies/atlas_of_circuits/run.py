"""Run a sweep, on this machine or on a Dask cluster, and keep its results: one JSON file for each circuit.

Workers send results back, and this process alone writes them, each file whole or not at all. So workers need no common
disk, and whatever is killed, only jobs that were running are computed again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.files import write_whole
from helpers.studies.atlas_of_circuits.jobs import SCHEMA, Job, compute, digest
from helpers.studies.tables import read_table

ORDER = ["model", "kind", "relation", "method", "size", "seed", "ablation", "metric"]  # of rows; each row has its own
PATIENCE = 30  # seconds to wait for a scheduler, and for its first worker


@dataclass(frozen=True)
class Swept:
    """The table, how many of the circuits asked for were computed or lay there, and a sentence on each damaged file."""

    table: pd.DataFrame
    computed: int
    reused: int
    damaged: list[str]


def write_result(folder: Path, job: Job, found: Mapping[str, object]) -> dict[str, object]:
    """Keep what `compute` gave under the job's key, as `Circuit.load` and `read_results` read it; returns all of it."""
    result = {"schema": SCHEMA, "key": job.key, "weights": job.weights, "labels": dict(job.labels), **found}
    result["checksum"] = digest(result)
    write_whole(folder / "circuits" / f"{job.key}.json", json.dumps(result, indent=1) + "\n")
    return result


def read_results(folder: Path) -> tuple[dict[str, dict[str, object]], list[str]]:
    """All results of this schema in a folder, by key, and a sentence for each damaged file."""
    results, damaged = {}, []
    for path in sorted((folder / "circuits").glob("*.json")):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            if result.pop("checksum") != digest(result) or path.stem != result["key"]:
                raise ValueError("its checksum differs")
            if result["schema"] == SCHEMA:
                results[path.stem] = result
        except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
            damaged.append(f"{path} is damaged ({error}): it doesn't count, and is computed again when asked for")
    return results, damaged


def table_of(rows: Sequence[Mapping[str, object]], results: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Rows without a circuit and results as one tidy table, with the graph's shape and the names of the edges."""
    rows = list(rows)
    for result in results:
        row = {**result["labels"], "status": "done", **result["measured"]}
        row |= {"weights": result["weights"], "key": result["key"]}
        rows.append(row | result["graph"] | {"circuit": " ".join(result["edges"])})
    table = pd.DataFrame(rows).convert_dtypes(convert_string=False, convert_boolean=False)
    return table.sort_values(ORDER, ignore_index=True).round(4) if rows else table


def read_sweep(name: str = "sweep") -> pd.DataFrame:
    """A sweep that is kept with the book: its table, with a `Circuit` in the column ``circuit``."""
    table, stored = read_table(name).fillna({"circuit": ""}), ["n_layers", "n_heads", "n_groups", "circuit"]
    circuits = [Circuit.from_edges(Graph(*g), edges.split()) for *g, edges in table[stored].itertuples(index=False)]
    return table.drop(columns=stored).assign(circuit=circuits)


@contextmanager
def executor(scheduler: str | None, workers: int | None) -> Iterator[Executor]:
    """What runs jobs: the workers of a Dask scheduler, or so many processes here (1: a thread of this process).

    Raises:
        ImportError, OSError: if there is no Dask, or no scheduler with a worker at the address.
        ValueError: for less than one worker.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"a sweep needs at least one worker, not {workers}")
    if not scheduler and workers == 1:
        with ThreadPoolExecutor(1) as pool:
            yield pool
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("Several processes need Dask: pip install dask distributed, or use --workers 1.") from error
    here = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    with Client(timeout=PATIENCE, **({"address": scheduler} if scheduler else here)) as client:
        client.wait_for_workers(1, timeout=PATIENCE)
        yield client.get_executor(retries=2, pure=False)


def sweep(
    jobs: Sequence[Job],
    out: str | Path,
    *,
    skipped: Sequence[Mapping[str, object]] = (),
    scheduler: str | None = None,
    workers: int | None = None,
) -> Swept:
    """Find and judge every circuit that isn't in ``out`` yet, and write the table ``circuits.csv`` anew.

    Args:
        skipped: rows of the table for what can't be asked, as `plan` gives them.
        scheduler: the address of a Dask scheduler, such as ``"tcp://host:8786"``; its workers do the work.
        workers: without a scheduler, processes on this machine (default: one for each core).

    Raises:
        ImportError, OSError: if the work can't go on; what is written stays, and the same call goes on from there.
    """
    out, failed = Path(out), {}
    results, damaged = read_results(out)
    missing = {job.key: job for job in jobs if job.key not in results}
    with executor(scheduler, workers) as pool:
        futures = {pool.submit(compute, job): job for job in missing.values()}
        try:
            for future in tqdm(as_completed(futures), total=len(futures), desc="circuits"):
                job = futures[future]
                if future.cancelled():
                    raise ConnectionError("the Dask scheduler went away")
                if error := future.exception():
                    failed[job.key] = f"{type(error).__name__}: {error}".splitlines()[0]
                else:
                    results[job.key] = write_result(out, job, future.result())
        finally:
            for future in futures:
                future.cancel()
            asked = [results[job.key] | {"labels": job.labels} for job in jobs if job.key in results]
            lost = [{**j.labels, "status": "failed", "reason": failed[j.key]} for j in jobs if j.key in failed]
            others = [results[key] for key in sorted(results.keys() - {job.key for job in jobs})]
            table = table_of([*skipped, *lost], [*asked, *others])
            write_whole(out / "circuits.csv", table.to_csv(index=False, lineterminator="\n"))
    return Swept(table, len(missing) - len(failed), len({job.key for job in jobs} - missing.keys()), damaged)
