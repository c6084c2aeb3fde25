"""The page of claims: it holds every verdict of every chapter, and chapters have their verdicts in one form."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from _tools import repository
from bs4 import BeautifulSoup

from helpers.studies.verdicts import Claim, claims_table

ROOT = Path(__file__).resolve().parents[2]
EXT = ROOT / "book" / "_ext"
BIB = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
# The reader's own model is judged in chapter 18, not a source's.
WITHOUT = {18}
HEADS = [
    Claim("movers carry it & more", "Yao et al. 2024", "yes: 0.71 [0.60, 0.80]", "no: 0.20"),
    Claim("they form late", "Olsson et al. 2022", "can't be asked", "open: 0.50"),
]
KEPT = [Claim("names bind", "Meng et al. 2022", "yes: 1", {"Atlas": "yes: 2", "another seed": "no: 3"})]


def raw(claims: list[Claim]) -> str:
    return f".. raw:: html\n\n   {claims_table(claims)._repr_html_()}\n"


PAGES = {
    "index": "Book\n====\n\n.. toctree::\n\n   19_kept\n   04_heads\n   claims\n",
    "04_heads": f"Heads\n=====\n\nText.\n\nThe claims, judged\n------------------\n\n{raw(HEADS)}",
    "19_kept": f"Kept\n====\n\nSources\n-------\n\n{raw(KEPT)}",
    "claims": "Claims\n======\n\n.. claims::\n",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, text in PAGES.items():
        (tmp_path / f"{name}.rst").write_text(text, encoding="utf-8")
    return tmp_path


def build(home: Path) -> BeautifulSoup:
    """Build in a process of its own: Sphinx warns of an extension that is set up twice."""
    settings = f"import sys; sys.path.insert(0, {str(EXT)!r}); extensions = ['claims']; html_theme = 'basic'\n"
    settings += "suppress_warnings = ['config.cache']\n"
    (home / "conf.py").write_text(settings, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", home, home / "out"], check=True)
    return BeautifulSoup((home / "out" / "claims.html").read_text(encoding="utf-8"), "html.parser")


def test_all_verdicts_stand_on_the_page_in_the_order_of_the_chapters(home: Path):
    page = build(home)
    links = page.select("tr.kc-claims-chapter a")
    assert [link["href"] for link in links] == ["04_heads.html#the-claims-judged", "19_kept.html#sources"]
    assert links[0].get_text() == "4. Heads: The claims, judged"
    rows = [[cell.get_text() for cell in row] for row in page.select("tbody tr:not(.kc-claims-chapter)")]
    no, mixed = "no in Atlas", "mixed in Atlas"
    assert rows == [
        ["movers carry it & more (Yao et al. 2024)", "yes: 0.71 [0.60, 0.80]", "no: 0.20", f"yes in SmolLM2, {no}"],
        ["they form late (Olsson et al. 2022)", "can't be asked", "open: 0.50", "open in Atlas"],
        ["names bind (Meng et al. 2022)", "yes: 1", "Atlas: yes: 2; another seed: no: 3", f"yes in SmolLM2, {mixed}"],
    ]  # fmt: skip
    assert "3 claims. Asked of SmolLM2: 2; it agrees with 2, not with 0, and 0 are open or mixed." in page.get_text()
    assert "Asked of Atlas: 3; it agrees with 0, not with 1, and 2 are open or mixed." in page.get_text()


def test_the_page_follows_a_chapter_that_changes(home: Path):
    build(home)
    changed = PAGES["04_heads"].replace(raw(HEADS), raw(HEADS[:1])).replace("no: 0.20", "yes: 0.90")
    (home / "04_heads.rst").write_text(changed, encoding="utf-8")
    text = build(home).get_text()
    assert "yes: 0.90" in text and "no: 0.20" not in text and "they form late" not in text and "names bind" in text


def code_of(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", repository.chapters(ROOT), ids=lambda path: path.stem)
def test_a_chapter_judges_its_sources_once_and_in_the_books_form(path: Path):
    shown = [code for code in code_of(path) if re.search(r"^claims_table\(", code, re.M)]
    if int(path.stem[:2]) in WITHOUT:
        assert not shown, "take the chapter's number out of WITHOUT"
        return
    (code,) = shown
    last = code.rstrip().splitlines()
    opening = max(n for n, line in enumerate(last) if line.startswith("claims_table("))
    assert all(line.startswith((" ", ")")) for line in last[opening + 1 :]), "the table is the cell's last value"


@pytest.mark.parametrize("path", repository.chapters(ROOT), ids=lambda path: path.stem)
def test_the_sources_of_claims_are_in_the_bibliography(path: Path):
    entries = re.split(r"^@", BIB, flags=re.M)
    code = "\n".join(code for code in code_of(path) if "Claim(" in code)
    for name, year in re.findall(r'"([A-Z][\w\- ]+?)(?: et al\.| and [\w\-]+)? (20\d\d)"', code):
        found = [entry for entry in entries if name in entry.replace("{\\'e}", "é") and f"{{{year}}}" in entry]
        assert found, f"{name} {year}"
