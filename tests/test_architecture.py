"""The house has an order: folders import one way, studies don't know each other, no function hides a module."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HELPERS = ROOT / "helpers"
LIBRARY = (
    "checks",
    "files",
    "statistics",
    "models",
    "prompts",
    "circuits",
    "searches",
    "components",
    "editing",
    "figures",
)
ORDER = (*LIBRARY, "atlas", "studies", "exercises")  # a folder imports from itself and from those before it
ALONE = ("checks", "files", "statistics")  # modules of the library that stand in no folder
FILES = sorted(path for path in HELPERS.rglob("*.py") if path.parent != HELPERS or path.stem in ALONE)
MODULES = {".".join(("helpers", *path.relative_to(HELPERS).with_suffix("").parts)): path for path in FILES}


def imports(path: Path) -> set[str]:
    """The modules of `helpers` that a file names in its imports, wherever they stand."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES.keys()


@pytest.mark.parametrize("name", MODULES)
def test_folders_import_one_way(name):
    _, folder, *own = name.split(".")
    for other in imports(MODULES[name]):
        _, theirs, *rest = other.split(".")
        assert ORDER.index(theirs) <= ORDER.index(folder), f"{name} imports {other}, which stands above it"
        if folder == theirs == "studies" and len(rest) > 1:
            assert rest[0] == own[0], f"{name} imports {other}: what two studies need belongs to the library"
        if folder == theirs == "searches":
            assert rest == own, f"{name} imports {other}: searches don't know each other"


@pytest.mark.parametrize("name", MODULES)
def test_the_library_comes_in_by_its_modules(name):
    text = MODULES[name].read_text(encoding="utf-8")
    assert "from helpers import" not in text, "modules import from modules; the door is for readers"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(HELPERS).as_posix())
def test_modules_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_no_function_hides_a_module():
    for path in HELPERS.rglob("__init__.py"):
        package = import_module(".".join(("helpers", *path.relative_to(HELPERS).parts[:-1])))
        modules = {p.stem for p in path.parent.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
        for name in modules - {"__init__", "__main__"}:
            import_module(f"{package.__name__}.{name}")
            assert getattr(package, name).__name__ == f"{package.__name__}.{name}"


def test_the_door_is_small_and_lazy():
    import subprocess
    import sys

    import helpers

    assert len(helpers.__all__) <= 40 and all(getattr(helpers, name) for name in helpers.__all__)
    with pytest.raises(AttributeError, match="helpers has no 'roem'.*rome"):
        _ = helpers.roem
    heavy = "torch, sklearn, plotly, IPython, pandas, transformer_lens"
    code = f"import sys, helpers; print([m for m in '{heavy}'.split(', ') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_readme_has_a_line_for_each_folder_and_module_of_the_library():
    lines = (HELPERS / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    for path in FILES:
        folder = path.relative_to(HELPERS).parts[0].removesuffix(".py")
        if folder in LIBRARY:
            about = " ".join(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split("\n\n")[0].split())
            row = f"| **{folder}/** | **{about}** |" if path.stem == "__init__" else f"| `{path.stem}` | {about} |"
            assert row in lines, f"helpers/README.md lacks this line:\n{row}"
