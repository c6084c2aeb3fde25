"""Fresh environments, as in Colab: the usual packages are there, `helpers` is not, and the book is elsewhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from _tools import repository

ROOT = Path(__file__).resolve().parents[1]


def working_tree() -> list[Path]:
    """List what a commit of the working tree would hold, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Path(name) for name in names.split("\0") if name and (ROOT / name).is_file()]


def copy_of_the_book(target: Path, *, everything: bool) -> Path:
    small = {Path("_config.yml"), Path("README.md"), Path("CITATION.cff"), Path("_toc.yml")}
    for name in working_tree():
        if everything or name in small or (name.parent == Path("book") and name.suffix == ".ipynb"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def with_last_cell(chapter: Path, code: str = "print('FROM', helpers.__file__)", after: int | None = None) -> Path:
    """Add a cell to a notebook, or to its beginning; the default one prints where `helpers` came from."""
    notebook = nbformat.read(chapter, as_version=4)
    notebook.cells = notebook.cells[:after]
    notebook.cells.append(nbformat.v4.new_code_cell(code))
    nbformat.write(notebook, chapter)
    return chapter


def new_environment(folder: Path, packages: Path) -> Path:
    """Make a virtual environment that sees the packages in a folder, and no others; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    result = subprocess.run([python, "-c", where], check=True, capture_output=True, text=True)
    Path(result.stdout.strip(), "usual_packages.pth").write_text(f"{packages}\n", encoding="utf-8")
    return python


def fresh_environment(folder: Path) -> Path:
    """Make a virtual environment that sees this one's packages except the book's own; return its Python."""
    packages = folder / "packages"
    packages.mkdir(parents=True)
    for place in {Path(p) for p in sys.path if Path(p).name in ("site-packages", "dist-packages")}:
        for entry in place.iterdir():
            own = "knowledge_circuits" in entry.name or "__editable__" in entry.name
            if not own and entry.suffix != ".pth" and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
    return new_environment(folder / "venv", packages)


def environment_variables(folder: Path, *, online: bool = False) -> dict[str, str]:
    """The variables of a process outside the checkout; without a package index unless ``online``."""
    hidden = ("PYTHON", "JUPYTER", "IPYTHON", "PIP_", "BOOK_BUILD", "KC_MODEL", "VIRTUAL_ENV", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    if online:
        kept |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    own = {"JUPYTER_DATA_DIR": folder / "jupyter", "IPYTHONDIR": folder / "ipython"}
    pip = {"PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    # Offline, all packages are those of here: no second look at what they need, which only warns ("0" turns it off).
    pip |= {} if online else {"PIP_NO_INDEX": "1", "PIP_NO_WARN_CONFLICTS": "0"}
    return kept | {name: str(path) for name, path in own.items()} | pip | {"PLOTLY_RENDERER": "plotly_mimetype"}


def committed_clone(folder: Path) -> Path:
    """Make a git repository of the working tree, stamped with its own address."""
    clone = copy_of_the_book(folder / "clone", everything=True)
    repository.stamp(str(clone), clone)
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    store = ["-c", "core.compression=0"]  # weights hardly get smaller
    for command in (["init", "-q"], [*store, "add", "-A"], [*identity, "commit", "-qm", "stamped"]):
        subprocess.run(["git", *command], cwd=clone, check=True)
    return clone
