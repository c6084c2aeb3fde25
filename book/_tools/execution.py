"""When a page has to be executed, and its executed form in the cache that Jupyter Book reads.

A page's outputs depend on its own code, on the modules that this imports, directly or through others, and on the data
that they read. `inputs_digest` is a digest of these, kept with the outputs: a change in the grader executes nothing, a
change in one study executes its chapter. ``make test`` puts what nbval has run into the same cache, so a build after it
executes only the teacher's guides.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import single_nb_execution
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "_build" / ".jupyter_cache"
# Whatever a page asks.
DATA = ("requirements.txt", "book/_tools/page_figures.py", "helpers/facts/**/*", "helpers/weights/**/*")
KEPT = 80  # executed pages, some of them of earlier inputs
TABLES = "helpers/tables"  # only those that are named in the code
MAGIC = re.compile(r"^(\s*)[%!].*$", re.M)

# What a kernel sees that executes a page for the book. Chapters run side by side, so each gets one thread.
KERNEL = {
    "BOOK_BUILD": "1",
    "BOOK_FIGURES": "_tools.page_figures",
    "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT / "book"), os.environ.get("PYTHONPATH")))),
    "TQDM_DISABLE": "1",
    "OMP_NUM_THREADS": "1",
}


def imported(tree: ast.AST, door: Mapping[str, str]) -> set[str]:
    """The modules of `helpers` that code imports or reaches as ``helpers.NAME``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
    return {door.get(name, name) for name in found if name.split(".")[0] == "helpers"}


def strings(tree: ast.AST) -> set[str]:
    """All texts in code; of one with gaps, its beginning and a star."""
    gaps = {f"{node.values[0].value}*" for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) and node.values
            and isinstance(node.values[0], ast.Constant)}  # fmt: skip
    plain = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return plain | gaps


@lru_cache
def door(root: Path) -> dict[str, str]:
    """Where each name of ``helpers/__init__.py`` comes from."""
    for node in ast.parse((root / "helpers" / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_MODULES":
            homes = ast.literal_eval(node.value)
            return {f"helpers.{name}": f"helpers.{module}" for module, names in homes.items() for name in names.split()}
    raise ValueError("helpers/__init__.py has no table _MODULES")


@lru_cache
def module(root: Path, name: str) -> tuple[Path, frozenset[str], frozenset[str]] | None:
    """A module's file, the modules that it imports, and its texts; nothing if there is no such module."""
    place = root / Path(*name.split("."))
    path = next((p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()), None)
    if path is None:
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return path, frozenset(imported(tree, door(root))), frozenset(strings(tree))


@lru_cache
def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inputs(cells: Iterable[str], root: Path = ROOT) -> set[Path]:
    """The files that the outputs of some code cells depend on."""
    tree = ast.parse("\n".join(MAGIC.sub(r"\1pass", cell) for cell in cells))
    texts, waiting, seen, files = strings(tree), list(imported(tree, door(root))), set(), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += [parent for parent in [name.rpartition(".")[0]] if parent]
        if about := module(root, name):
            files.add(about[0])
            texts |= about[2]
            waiting += about[1]
    files |= {path for pattern in DATA for path in root.glob(pattern) if path.is_file()}
    names, starts = set(texts), tuple(text[:-1] for text in texts if text.endswith("*") and len(text) > 1)
    tables = (root / TABLES).glob("*")
    return files | {path for path in tables if path.stem in names or (starts and path.stem.startswith(starts))}


def inputs_digest(cells: Iterable[str], root: Path = ROOT) -> str:
    """A digest of everything but the code itself that the outputs of some code cells depend on."""
    digest = hashlib.sha256(os.environ.get("KC_MODEL", "").encode())
    for path in sorted(inputs(cells, root)):
        digest.update(f"{path.relative_to(root).as_posix()} {file_digest(path)}\n".encode())
    return digest.hexdigest()[:16]


def code_of(notebook: NotebookNode) -> list[str]:
    """The sources of the code cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def is_fresh(cache: JupyterCacheAbstract, notebook: NotebookNode) -> bool:
    """Whether the cache holds this page's outputs, of the same inputs; outputs of others are taken out."""
    try:
        record = cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    if record.data.get("inputs") == inputs_digest(code_of(notebook)):
        return True
    cache.remove_cache(record.pk)
    return False


def keep(cache: JupyterCacheAbstract, notebook: NotebookNode, path: Path, seconds: float) -> None:
    """Put an executed page into the cache."""
    about = {"execution_seconds": seconds, "inputs": inputs_digest(code_of(notebook))}
    cache.cache_notebook_bundle(CacheBundleIn(notebook, str(path), data=about), check_validity=False, overwrite=True)


def _execute(notebook: NotebookNode, folder: Path, timeout: int):
    os.environ.update(KERNEL)
    result = single_nb_execution(notebook, cwd=str(folder), timeout=timeout, allow_errors=False)
    return result.nb, result.time, result.exc_string


def execute(pages: Mapping[Path, NotebookNode], timeout: int, tell: Callable[[str], object], workers: int = 0) -> None:
    """Execute the pages that the cache doesn't hold, side by side, and keep them.

    A page that fails isn't kept: Jupyter Book executes it again, and reports it.

    Args:
        pages: path -> the page as a notebook.
        timeout: of a cell, in seconds.
        tell: is given a line for each page.
        workers: how many at a time; as many as there are processors if 0.
    """
    cache = get_cache(str(CACHE))
    cache.change_cache_limit(KEPT)
    stale = {path: notebook for path, notebook in pages.items() if not is_fresh(cache, notebook)}
    longest_first = sorted(stale, key=lambda path: path.stat().st_size, reverse=True)
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        running = {pool.submit(_execute, stale[path], path.parent, timeout): path for path in longest_first}
        for done in as_completed(running):
            path, (notebook, seconds, error) = running[done], done.result()
            if error is None:
                keep(cache, notebook, path, seconds)
            tell(f"executed {path.relative_to(ROOT)} in {seconds:.0f} s" + (", with an error" if error else ""))
