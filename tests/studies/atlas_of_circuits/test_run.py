"""A sweep computes nothing twice, loses nothing when it or a worker is killed, and gives the same wherever it runs."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_sweeps import command, small_plan

from helpers.studies.atlas_of_circuits import run
from helpers.studies.atlas_of_circuits.jobs import compute
from helpers.studies.atlas_of_circuits.run import executor, read_results, sweep

ROOT = Path(__file__).parents[3]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
PATIENCE = 300  # seconds; a busy machine starts processes slowly


@contextmanager
def started(folder: Path, *words: str):
    """A Python process in a folder, killed at the end whatever happens."""
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen([sys.executable, *words], cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition, process=None):
    """Wait until something is so, as long as a process lives."""
    end = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < end, "it took too long"
        assert process is None or process.poll() is None, "the process ended"
        time.sleep(0.02)
    return result


def files(out: Path) -> list[Path]:
    return sorted((out / "circuits").glob("*.json"))


def run_here(plan, out):
    jobs, skipped = plan
    return sweep(jobs, out, skipped=skipped, workers=1)


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """The plan of the other tests, done in this process."""
    out = tmp_path_factory.mktemp("serial")
    plan = small_plan(seeds=3)
    return plan, out, run_here(plan, out)


def test_a_sweep_computes_all_and_nothing_twice(serial, monkeypatch):
    plan, out, first = serial
    assert (first.computed, first.reused, first.damaged) == (6, 0, [])
    assert len(files(out)) == 6 and (first.table.status == "done").all()
    monkeypatch.setattr(run, "compute", lambda job: pytest.fail("computed twice"))
    again = run_here(plan, out)
    assert (again.computed, again.reused) == (0, 6) and again.table.equals(first.table)


def test_only_what_is_new_is_computed(serial, tmp_path):
    plan, out, _ = serial
    (tmp_path / "circuits").mkdir()
    for path in files(out):
        (tmp_path / "circuits" / path.name).write_bytes(path.read_bytes())
    files(tmp_path)[3].write_text("{", encoding="utf-8")
    files(tmp_path)[5].unlink()
    more = run_here(small_plan(seeds=3, sizes={"share": [0.03, 0.05]}), tmp_path)
    assert (more.computed, more.reused) == (8, 4) and len(more.damaged) == 1 and "is damaged" in more.damaged[0]
    kept = read_results(out)[0]
    assert {key: r for key, r in read_results(tmp_path)[0].items() if key in kept} == kept


def test_a_failed_circuit_does_not_take_the_others_with_it(tmp_path, monkeypatch):
    def fails(job):
        if job.labels["seed"]:
            raise RuntimeError("no memory\nat all")
        return compute(job)

    monkeypatch.setattr(run, "compute", fails)
    swept = run_here(small_plan("plural"), tmp_path)
    assert swept.computed == 1 and swept.table.status.tolist() == ["done", "failed"]
    assert swept.table.reason[1] == "RuntimeError: no memory"
    monkeypatch.undo()
    swept = run_here(small_plan("plural"), tmp_path)
    assert (swept.computed, swept.reused) == (1, 1) and swept.table.status.tolist() == ["done", "done"]


def test_a_full_disk_keeps_what_is_there_and_the_table(tmp_path, monkeypatch):
    written = []

    def full(out, job, found):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "the disk is full")
        written.append(job)
        return write(out, job, found)

    write = run.write_result
    monkeypatch.setattr(run, "write_result", full)
    with pytest.raises(OSError, match="disk is full"):
        run_here(small_plan(), tmp_path)
    assert len(files(tmp_path)) == 2
    assert len((tmp_path / "circuits.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_a_killed_sweep_loses_no_finished_circuit(serial, tmp_path):
    plan, out, _ = serial
    words = command("--relations", "country_capital,plural", "--seeds", "3", "--workers", "1", "--out", str(tmp_path))
    with started(tmp_path, "-m", "helpers", *words) as process:
        wait_for(lambda: len(files(tmp_path)) >= 2, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = {path: path.stat().st_mtime_ns for path in files(tmp_path)}
    assert 2 <= len(before) < 6, "it was killed in the middle"
    results, damaged = read_results(tmp_path)
    assert not damaged and len(results) == len(before)
    assert all(path.suffix in (".json", ".unfinished") for path in (tmp_path / "circuits").iterdir())
    swept = run_here(plan, tmp_path)
    assert (swept.computed, swept.reused) == (6 - len(before), len(before))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    same(out, tmp_path)


def same(out: Path, other: Path) -> None:
    """Both folders have the same results, to the last edge; numbers may differ as sums in another order do."""
    ours, theirs = (read_results(folder)[0] for folder in (out, other))
    assert ours.keys() == theirs.keys()
    for key, one in ours.items():
        assert one["edges"] == theirs[key]["edges"] and one["labels"] == theirs[key]["labels"]
        assert one["measured"] == pytest.approx(theirs[key]["measured"], abs=1e-4)


def test_a_worker_killed_in_the_middle_loses_nothing(serial, tmp_path):
    plan, out, _ = serial
    address, results = tmp_path / "scheduler.json", tmp_path / "results"
    scheduler = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = ["-m", "distributed.cli.dask_worker", "--scheduler-file", str(address), "--no-nanny", "--nthreads", "1"]
    worker += ["--no-dashboard", "--local-directory", str(tmp_path)]
    with (
        started(tmp_path, *scheduler, "--scheduler-file", str(address)),
        started(tmp_path, *worker) as first,
        started(tmp_path, *worker),
    ):
        wait_for(address.exists)
        where = wait_for(lambda: json.loads(address.read_text(encoding="utf-8") or "{}").get("address"))
        two_workers(where)
        words = command("--relations", "country_capital,plural", "--seeds", "3", "--scheduler", where)
        with started(tmp_path, "-m", "helpers", *words, "--out", str(results)) as process:
            wait_for(lambda: files(results), process)
            first.send_signal(signal.SIGKILL)
            assert len(files(results)) < 6, "it was killed in the middle"
            assert process.wait(PATIENCE) == 0
        same(out, results)
        assert sweep(plan[0], results, scheduler=where).computed == 0


def two_workers(address: str) -> None:
    from distributed import Client

    with Client(address, timeout=PATIENCE) as client:
        client.wait_for_workers(2, timeout=PATIENCE)


def test_processes_of_this_machine_give_the_same(serial, tmp_path):
    plan, out, _ = serial
    swept = sweep(plan[0], tmp_path, workers=2)
    assert swept.computed == 6 and (swept.table.status == "done").all()
    same(out, tmp_path)


def test_no_scheduler_is_one_sentence(monkeypatch):
    monkeypatch.setattr(run, "PATIENCE", 1)
    with (
        pytest.raises(OSError, match="Timed out trying to connect to tcp://127.0.0.1:9"),
        executor("tcp://127.0.0.1:9", None),
    ):
        pass


def test_a_missing_dask_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match="pip install dask distributed, or use --workers 1"), executor(None, 2):
        pass


def test_one_worker_needs_no_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with executor(None, 1) as pool:
        assert list(pool.map(abs, [-1, -2])) == [1, 2]


def test_results_lie_where_their_key_says(serial):
    _, out, swept = serial
    assert {out / "circuits" / f"{key}.json" for key in swept.table.key} == set(files(out))
