"""The book's address: one place knows it, everything else agrees, and a stamped chapter runs as in Colab."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from _tools import repository
from fresh import committed_clone, copy_of_the_book, environment_variables, fresh_environment, with_last_cell

ROOT = Path(__file__).resolve().parents[2]
URL = "https://github.com/someone/knowledge-circuits"


def contents(root: Path) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(root.rglob("*")) if path.is_file()}


def code_cells(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    root = copy_of_the_book(tmp_path / "copy", everything=False)
    repository.stamp("", root)
    return root


def test_the_repository_agrees_with_its_one_source():
    """Whatever address `_config.yml` holds now, stamping it again changes no file."""
    url = repository.stamped(ROOT)
    assert repository.address(url) == url
    cell = repository.setup_cell(url)
    for path in repository.chapters(ROOT):
        assert code_cells(path).count(cell) == 1, f"{path.name}: run `make repository URL={url}`"
    for name, block in (("README.md", repository.readme_block), ("CITATION.cff", repository.citation_block)):
        assert block(url) in (ROOT / name).read_text(encoding="utf-8")


def test_stamping_changes_everything_together_and_can_be_undone(copy: Path):
    before = contents(copy)
    changed = repository.stamp(URL, copy)
    assert set(changed) == set(before) - {copy / "_toc.yml"}, "every other file of the copy holds the address"
    assert repository.stamped(copy) == URL
    table = (copy / "README.md").read_text(encoding="utf-8").split("chapters:begin")[1]
    for path in repository.chapters(copy):
        colab = URL.replace("https://github.com", "https://colab.research.google.com/github")
        assert f"{colab}/blob/main/book/{path.name}" in table
    for path in changed:
        assert URL in path.read_text(encoding="utf-8")
    assert repository.stamp(URL, copy) == [], "the second time nothing changes"
    repository.stamp("", copy)
    assert contents(copy) == before
    assert not list(copy.rglob(".*.??*")), "no temporary file is left"


def test_launch_buttons_need_a_public_address(copy: Path, tmp_path: Path):
    config = yaml.safe_load((copy / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == "" and "launch_buttons" not in config
    repository.stamp(URL, copy)
    config = yaml.safe_load((copy / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"] == {"url": URL, "branch": "main"}
    assert config["launch_buttons"] == {"colab_url": "https://colab.research.google.com"}
    repository.stamp(str(tmp_path), copy)
    config = yaml.safe_load((copy / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == tmp_path.as_uri() and "launch_buttons" not in config


def test_addresses_are_stored_in_one_form(tmp_path: Path):
    assert repository.address(f"  {URL}.git/ ".replace(".git/", ".git")) == URL
    assert repository.address(URL + "/") == URL
    assert repository.address("") == repository.address("  ") == ""
    folder = tmp_path / "a folder"
    folder.mkdir()
    assert repository.address(str(folder)) == repository.address(folder.as_uri()) == folder.as_uri()


@pytest.mark.parametrize(
    "url",
    [
        "http://github.com/someone/book",
        "https://github.com/someone",
        "https://github.com/someone/book/tree/main",
        "https://gitlab.com/someone/book",
        "https://github.com/some one/book",
        'https://github.com/someone/"',
        "git@github.com:someone/book.git",
        "no/such/folder",
        "file:///no/such/folder",
    ],
)
def test_a_bad_address_is_refused_and_nothing_is_written(url: str, copy: Path):
    before = contents(copy)
    with pytest.raises(ValueError, match="no address for the book"):
        repository.stamp(url, copy)
    assert contents(copy) == before


def test_nothing_is_written_when_one_file_lacks_the_place(copy: Path):
    (copy / "README.md").write_text("no markers here\n", encoding="utf-8")
    before = contents(copy)
    with pytest.raises(ValueError, match=r"README\.md must hold exactly one pair"):
        repository.stamp(URL, copy)
    assert contents(copy) == before


def test_a_chapter_without_a_setup_cell_is_named(copy: Path):
    path = repository.chapters(copy)[0]
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"] = [c for c in notebook["cells"] if c["cell_type"] == "markdown"]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    with pytest.raises(ValueError, match=path.name):
        repository.stamp(URL, copy)


def test_the_setup_cell_is_short_and_leaves_paths_alone():
    cell = repository.setup_cell("")
    assert len(cell.splitlines()) <= 16
    assert "sys.path" not in cell and "chdir" not in cell


# IPython runs the notebook in one process: with a kernel beside it, a lost message made this test wait for ever.
def test_a_stamped_chapter_runs_in_a_fresh_environment(tmp_path: Path):
    """The setup cell installs `helpers` with the models in it; the chapter's beginning runs away from the checkout."""
    clone = committed_clone(tmp_path)
    python = fresh_environment(tmp_path / "colab")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    chapter = with_last_cell(Path(shutil.copy2(repository.chapters(clone)[0], elsewhere)), after=10)
    variables = environment_variables(tmp_path)

    missing = subprocess.run([python, "-c", "import helpers"], cwd=elsewhere, env=variables, capture_output=True)
    assert missing.returncode != 0, "the environment is not fresh: it has helpers already"

    command = [python, "-m", "IPython", "--colors=NoColor", chapter]
    run = subprocess.run(command, cwd=elsewhere, env=variables, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0 and "FROM" in run.stdout, run.stdout[-2000:] + run.stderr[-4000:]
    origin = run.stdout.split("FROM", 1)[1].strip().splitlines()[0]
    assert Path(origin).is_relative_to(tmp_path / "colab" / "venv"), origin
    assert data_files(Path(origin).parent) == data_files(clone / "helpers"), "facts and models came along"


def data_files(package: Path) -> set[Path]:
    found = {path.relative_to(package) for path in package.rglob("*") if path.is_file()}
    return {path for path in found if path.suffix not in (".py", ".pyc")}


def test_an_unstamped_chapter_says_what_to_do(tmp_path: Path):
    python = fresh_environment(tmp_path / "colab")
    cell = repository.setup_cell("").replace("    %pip", "    # %pip")
    run = subprocess.run(
        [python, "-c", cell],
        cwd=tmp_path,
        env=environment_variables(tmp_path),
        text=True,
        capture_output=True,
    )
    assert run.returncode != 0 and "pip install ." in run.stderr
    assert "Traceback" not in run.stderr
