"""The library has an order: a module imports only from those above it, and searches don't know each other."""

import ast
import re
from pathlib import Path

import pytest

HELPERS = Path(__file__).parents[1] / "helpers"
ROWS = [line for line in (HELPERS / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
ORDER = [name for line in ROWS for name in re.findall(r"`(\w+)`", line.split("|")[1])]
FILES = sorted(path for path in HELPERS.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))


def module_of(dotted: str) -> str:
    return dotted.split(".")[1] if dotted.startswith("helpers.") else ""


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "helpers"}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("helpers.")}


def test_the_list_is_complete():
    modules = {path.relative_to(HELPERS).parts[0].removesuffix(".py") for path in FILES}
    assert set(ORDER) == modules and len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(HELPERS).as_posix())
def test_a_module_imports_only_from_above(path):
    own = path.relative_to(HELPERS).parts[0].removesuffix(".py")
    for name in imports(path):
        other = module_of(name)
        if other == own:
            assert own == "checks" or name in ("helpers.searches",), f"{path.name} imports its neighbour {name}"
        else:
            assert ORDER.index(other) < ORDER.index(own), f"{own} imports {other}, which comes later"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(HELPERS).as_posix())
def test_modules_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
