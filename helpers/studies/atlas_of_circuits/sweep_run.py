"""Run a sweep: on this process, on the cores of this machine, or on the machines of a Dask cluster.

Dask schedules: a job whose worker is lost goes to another one. Workers send results back, and this process alone writes
them. So workers need no common disk, a job that by chance ran twice is written once, and a killed worker loses nothing
that was finished; if this process is killed, what it had not written is computed again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from helpers.studies.atlas_of_circuits.sweep_jobs import Job, SweepError, compute
from helpers.studies.atlas_of_circuits.sweep_plan import Outcomes, Plan, Run, plan_jobs
from helpers.studies.atlas_of_circuits.sweep_store import (
    read_results,
    remove_forgotten,
    row_of,
    table_of,
    write_result,
    write_sweep_table,
)

RETRIES = 2  # of a job that ends with an error
PATIENCE = 30  # seconds to wait for a scheduler, and for its first worker


@dataclass(frozen=True)
class Swept:
    """What a sweep did: the rows asked for, and how many results were computed now, or lay there already.

    ``failed`` and ``damaged`` are sentences, one for each.
    """

    table: pd.DataFrame
    computed: int
    reused: int
    skipped: int
    failed: tuple[str, ...]
    damaged: tuple[str, ...]


def in_this_process(function: Callable, tasks: Sequence) -> Outcomes:
    """One task after the other."""
    for task in tasks:
        try:
            yield task, function(task)
        except Exception as error:  # a job that fails must not take the others with it
            yield task, error


@contextmanager
def runner(scheduler: str | None, workers: int | None) -> Iterator[Run]:
    """What runs functions over tasks.

    Args:
        scheduler: the address of a Dask scheduler, such as ``"tcp://host:8786"``; its workers do the work.
        workers: without a scheduler, processes on this machine (default: one for each core); 1 stays in this process.

    Raises:
        SweepError: if there is no Dask, no scheduler at the address, or no worker at the scheduler.
    """
    workers = workers or os.cpu_count() or 1
    if not scheduler and workers == 1:
        yield in_this_process
        return
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise SweepError("Several processes need Dask: pip install dask distributed, or use --workers 1.") from error
    if scheduler:
        with _reached(Client, scheduler) as client:
            yield lambda function, tasks: _on_dask(client, function, tasks)
        return
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield lambda function, tasks: _on_dask(client, function, tasks)


def _reached(client_class: type, scheduler: str):
    try:
        client = client_class(scheduler, timeout=PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise SweepError(f"No Dask scheduler answers at {scheduler!r}: start one with `dask scheduler`.") from error
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        client.close()
        raise SweepError(f"{scheduler} has no workers: start some with `dask worker {scheduler}`.") from error
    return client


def _on_dask(client, function: Callable, tasks: Sequence) -> Outcomes:
    from distributed import as_completed

    futures = {client.submit(function, task, pure=False, retries=RETRIES): task for task in tasks}
    for future in as_completed(futures):
        if future.cancelled():
            raise SweepError("The Dask scheduler went away. What was finished is kept: start it, and sweep again.")
        yield futures.pop(future), future.exception() or future.result()
        future.release()


def sweep(
    plan: Plan, out: str | Path, *, scheduler: str | None = None, workers: int | None = None, progress: bool = True
) -> Swept:
    """Find and judge every circuit of a plan that isn't in ``out`` yet, and write the table anew.

    Args:
        out: the folder of the results: ``circuits.csv`` and one file for each circuit in ``circuits/``.
        scheduler, workers: see `runner`.
        progress: show bars.

    Raises:
        SweepError: if the work can't go on; what is written stays, and the same call goes on from there.
    """
    out = Path(out)
    remove_forgotten(out)
    results, damaged = read_results(out)
    failed: dict[str, str] = {}
    with runner(scheduler, workers) as run:
        jobs, skipped = plan_jobs(plan, run, progress)
        missing = {job.key: job for job in jobs if job.key not in results}
        try:
            for job, found in tqdm(
                run(compute, list(missing.values())), total=len(missing), desc="circuits", disable=not progress
            ):
                if isinstance(found, Exception):
                    failed[job.key] = f"{type(found).__name__}: {found}".splitlines()[0]
                else:
                    results[job.key] = write_result(out, job.key, job.labels, found)
        finally:
            rows = [_row(job, results, failed) for job in jobs] + skipped
            write_sweep_table(out, [row for row in rows if row["status"] != "open"])
    return Swept(
        table=table_of(rows),
        computed=len(missing) - len(failed),
        reused=len({job.key for job in jobs} - missing.keys()),
        skipped=len(skipped),
        failed=tuple(f"{' '.join(map(str, missing[key].labels.values()))}: {why}" for key, why in failed.items()),
        damaged=tuple(damaged),
    )


def _row(job: Job, results: Mapping[str, Mapping], failed: Mapping[str, str]) -> dict[str, object]:
    """The row of a job: done, failed, or open if the sweep was stopped before it came to it."""
    if job.key in results:
        return row_of(job.labels, results[job.key])
    return {**job.labels} | (
        {"status": "failed", "reason": failed[job.key]} if job.key in failed else {"status": "open"}
    )
