"""Executed pages are kept for as long as nothing that they depend on has changed."""

from pathlib import Path

import nbformat
import pytest
from _tools import execution
from jupyter_cache import get_cache

LATE = "def late():\n    from helpers.studies.tables import read_table\n    return f'heads_{1}'"
FILES = {
    "requirements.txt": "",
    "helpers/__init__.py": '_MODULES = {"circuits.graph": "Graph", "editing.rome": "rome"}',
    "helpers/circuits/__init__.py": "",
    "helpers/circuits/graph.py": "from helpers.circuits import scores",
    "helpers/circuits/scores.py": LATE,
    "helpers/editing/rome.py": "import helpers.circuits.graph",
    "helpers/studies/tables.py": "",
    "helpers/exercises/kit.py": "",
    "helpers/facts/a/b.json": "{}",
    "helpers/weights/m/m.safetensors": "",
    "helpers/tables/edits.csv": "",
    "helpers/tables/heads_a.csv": "",
    "book/01_a.ipynb": "",
}
GRAPH = {"helpers/circuits/__init__.py", "helpers/circuits/graph.py", "helpers/circuits/scores.py"}
REACHED = GRAPH | {"helpers/__init__.py", "helpers/studies/tables.py", "helpers/tables/heads_a.csv"}
ALWAYS = {"requirements.txt", "helpers/facts/a/b.json", "helpers/weights/m/m.safetensors"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for cached in (execution.door, execution.module, execution.file_digest):
        cached.cache_clear()
    return tmp_path


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1", set()),
        ("from helpers import Graph", REACHED),
        ("import helpers\nhelpers.Graph(1)", REACHED),
        ("%pip install x\nfrom helpers.editing.rome import rome", REACHED | {"helpers/editing/rome.py"}),
        ("import helpers\nread('edits')", {"helpers/__init__.py", "helpers/tables/edits.csv"}),
        ("from helpers.exercises import kit", {"helpers/__init__.py", "helpers/exercises/kit.py"}),
    ],
)
def test_a_page_depends_on_what_it_reaches(code, expected, tree):
    found = {path.relative_to(tree).as_posix() for path in execution.inputs([code], tree)}
    assert found == expected | ALWAYS


@pytest.mark.parametrize("name", sorted(set(FILES) - {"helpers/__init__.py"}))
def test_only_a_change_of_an_input_changes_the_digest(name, tree, monkeypatch):
    code = ["from helpers import Graph"]
    before = execution.inputs_digest(code, tree)
    (tree / name).write_text("changed = 1")
    for cached in (execution.door, execution.module, execution.file_digest):
        cached.cache_clear()
    assert (execution.inputs_digest(code, tree) != before) == (name in REACHED | ALWAYS)
    monkeypatch.setenv("KC_MODEL", "gpt2")
    assert execution.inputs_digest(code, tree) != before


def page(*cells: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def test_pages_are_executed_once_and_again_when_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "ROOT", tmp_path)
    monkeypatch.setattr(execution, "CACHE", tmp_path / "cache")
    digests = {"print(1)": "a", "1 / 0": "b"}
    monkeypatch.setattr(execution, "inputs_digest", lambda cells: digests[cells[0]])
    (tmp_path / "one.ipynb").write_text("")
    (tmp_path / "bad.ipynb").write_text("")
    pages, told = {tmp_path / "one.ipynb": page("print(1)"), tmp_path / "bad.ipynb": page("1 / 0")}, []
    execution.execute(pages, 60, told.append)
    assert sorted(line.split(" in ")[0] for line in told) == ["executed bad.ipynb", "executed one.ipynb"]
    assert sum("with an error" in line for line in told) == 1
    cache = get_cache(str(tmp_path / "cache"))
    assert execution.is_fresh(cache, page("print(1)")) and not execution.is_fresh(cache, page("1 / 0"))
    _, merged = cache.merge_match_into_notebook(page("print(1)"))
    assert merged.cells[0].outputs[0].text == "1\n"
    told.clear()
    execution.execute({tmp_path / "one.ipynb": page("print(1)")}, 60, told.append)
    assert not told
    digests["print(1)"] = "other"
    assert not execution.is_fresh(cache, page("print(1)"))
    execution.execute({tmp_path / "one.ipynb": page("print(1)")}, 60, told.append)
    assert len(told) == 1
