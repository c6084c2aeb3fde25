"""Every chapter runs on another model than Atlas: findings may differ, but no cell may fail.

It takes about as long as building the book, so `make switch` runs it, and not `make test`.
"""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from helpers import repository

ROOT = Path(__file__).resolve().parents[2]
OTHER = "atlas-llama"  # another shape: grouped queries, rotary positions, no biases, a gated MLP
CELL_SECONDS = 900


@pytest.mark.parametrize("chapter", repository.chapters(ROOT), ids=lambda path: path.stem)
def test_a_chapter_runs_on_another_model(chapter: Path):
    notebook = nbformat.read(chapter, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(chapter.parent)}},
    )
    client.execute(env={**os.environ, "KC_MODEL": OTHER, "BOOK_BUILD": "1", "TQDM_DISABLE": "1"})
    code = [(number, cell) for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    failed = [
        f"cell {number} ({cell.source.splitlines()[0]!r}): {output.ename}: {output.evalue}"
        for number, cell in code
        for output in cell.outputs
        if output.output_type == "error"
    ]
    assert not failed, "\n".join([f"{len(failed)} cells of {chapter.name} fail on {OTHER}:", *failed])
    assert "now runs on" in str(code[0][1].outputs), "the setup cell says which model it is"
