"""Every chapter runs on another model than Atlas: findings may differ, but no cell may fail.

It takes about as long as building the book, so `make switch` runs it, and not `make test`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from _tools import execution, repository
from fresh import with_last_cell

ROOT = Path(__file__).resolve().parents[2]
# Another shape by default: grouped queries, rotary positions, no biases, a gated MLP.
OTHER = os.environ.get("KC_MODEL") or "atlas-llama"


@pytest.mark.parametrize("chapter", repository.chapters(ROOT), ids=lambda path: path.stem)
def test_a_chapter_runs_on_another_model(chapter: Path, tmp_path: Path):
    """IPython runs the notebook in one process and stops at the first cell that fails."""
    copy = with_last_cell(Path(shutil.copy2(chapter, tmp_path)), "print('RAN ON', MODEL)")
    own = {"KC_MODEL": OTHER, "IPYTHONDIR": str(tmp_path)}
    own["PYTHONPATH"] = os.pathsep.join((str(ROOT), execution.KERNEL["PYTHONPATH"]))
    variables = os.environ | execution.KERNEL | own
    command = [sys.executable, "-m", "IPython", "--colors=NoColor", copy]
    run = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=1200)
    assert run.returncode == 0 and f"RAN ON {OTHER}" in run.stdout, run.stdout[-2500:] + run.stderr[-2500:]
