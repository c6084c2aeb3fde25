"""Every chapter from its setup cell to its end in an environment like Colab's, from a stamped repository.

`make colab-check` runs this: it needs a package index, and more than half an hour. `test_repository.py` does the same
for one chapter, offline and with the book's own versions.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from _tools import repository
from fresh import committed_clone, copy_of_the_book, environment_variables, new_environment, with_last_cell

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(__file__).with_name("usual_packages.txt")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def usual(tmp_path_factory) -> Path:
    """A folder with the packages that Colab has, and not ours."""
    folder = tmp_path_factory.mktemp("usual")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "-r", str(PACKAGES)]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """A git repository of the book, stamped with its own address."""
    return committed_clone(tmp_path_factory.mktemp("stamped"))


@pytest.mark.parametrize("name", [path.name for path in repository.chapters(ROOT)])
def test_a_chapter_runs_as_in_colab(name: str, usual: Path, clone: Path, tmp_path: Path):
    """The setup cell installs the book; the chapter then runs away from the checkout, with Colab's versions."""
    python = new_environment(tmp_path / "venv", usual)
    chapter = with_last_cell(Path(shutil.copy2(clone / "book" / name, tmp_path)))
    variables = environment_variables(tmp_path, online=True)
    missing = subprocess.run([python, "-c", "import helpers"], cwd=tmp_path, env=variables, capture_output=True)
    assert missing.returncode != 0, "the environment is not fresh: it has helpers already"

    command = [python, "-m", "IPython", "--colors=NoColor", chapter]
    run = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=1500)
    assert run.returncode == 0 and "FROM" in run.stdout, run.stdout[-2000:] + run.stderr[-4000:]
    assert str(tmp_path / "venv") in run.stdout.split("FROM", 1)[1].splitlines()[0]


def test_the_packages_are_not_ours(usual: Path):
    """Colab doesn't bring what the setup cell is there to install."""
    names = {path.name.lower() for path in usual.iterdir()}
    assert {"torch", "pandas", "plotly", "ipywidgets"} <= names
    assert not {"transformer_lens", "circuitsvis", "jaxtyping", "helpers"} & names


def test_every_page_of_a_stamped_book_opens_in_colab(tmp_path: Path):
    """The launch button leads to the chapter's own notebook on the repository's main branch."""
    book = copy_of_the_book(tmp_path / "book", everything=True)
    url = "https://github.com/someone/knowledge-circuits"
    repository.stamp(url, book)
    config = (book / "_config.yml").read_text(encoding="utf-8")
    (book / "_config.yml").write_text(config.replace("execute_notebooks: cache", "execute_notebooks: 'off'"))
    build = [Path(sys.executable).with_name("jupyter-book"), "build", book]
    done = subprocess.run(build, capture_output=True, text=True)
    for chapter in repository.chapters(book):
        page = book / "_build" / "html" / "book" / f"{chapter.stem}.html"
        assert page.is_file(), done.stderr[-2000:]
        wanted = f"https://colab.research.google.com/github/someone/knowledge-circuits/blob/main/book/{chapter.name}"
        assert wanted in page.read_text(encoding="utf-8"), chapter.name
