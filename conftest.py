"""Settings for every test run; and what nbval has run of a chapter goes to where the book's build looks for it."""

import copy
import os
import time
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on two busy cores wait for each other
for name in ("BOOK_BUILD", "BOOK_FIGURES"):  # no trace of a book's build in the tests
    os.environ.pop(name, None)

CELLS = pytest.StashKey[list]()


def is_cell(item) -> bool:
    return type(item).__name__ == "IPyNbCell"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """The kernel that nbval starts before a chapter's first cell sees what one that executes the book sees."""
    if not is_cell(item):
        return (yield)
    from _tools.execution import KERNEL

    item.parent.stash.setdefault(CELLS, [time.time()])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KERNEL.items():
            patch.setenv(name, value)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Remember the cells of a chapter that ran; after its last one, keep the chapter for the book."""
    report = yield
    if is_cell(item) and report.when == "call" and report.passed:
        begun, *done = item.parent.stash[CELLS]
        item.parent.stash[CELLS] = [begun, *done, item]
        keep_executed(item.parent, [*done, item], time.time() - begun)
    return report


def keep_executed(chapter, items, seconds: float) -> None:
    """Put a chapter with the outputs that nbval saw into the cache, if all of its cells ran."""
    from _tools import execution
    from jupyter_cache import get_cache

    notebook = copy.deepcopy(chapter.nb)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if len(items) < len(cells):
        return
    for number, (cell, item) in enumerate(zip(cells, items, strict=True), 1):
        assert cell.source == item.cell.source
        cell.outputs, cell.execution_count = item.test_outputs, number
    execution.keep(get_cache(str(execution.CACHE)), notebook, Path(chapter.path), seconds)
