"""The book's public address: kept in ``_config.yml``, copied into the notebooks, the README and the citation.

While the address is empty, no page links to a repository or offers to launch anything elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import yaml

from _tools import ToolError
from _tools.chapters import Chapter, read_chapters
from helpers.files import write_whole

GITHUB = re.compile(r"https://github\.com/[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
SETUP_BEGINS = "# Setup, the same in every chapter"
SETUP = Path(__file__).with_name("setup_cell.txt").read_text(encoding="utf-8").rstrip("\n")
README_TABLE = (("| | chapter | question | minutes |", " run |"), ("|---|---|---|---|", "---|"))
BLOCK = r"(?P<begin>^[^\n]*{0}:begin[^\n]*\n).*?(?P<end>^[^\n]*{0}:end)"


def address(url: str) -> str:
    """A repository's address in the one form in which it is stored: without a trailing slash or ``.git``.

    Args:
        url: ``https://github.com/OWNER/NAME``, or a ``file://`` address or path of a local git repository
            (for trying it out), which becomes a ``file://`` address, or an empty string for "none yet".

    Raises:
        ToolError: if it is none of these.
    """
    url = url.strip().rstrip("/")
    if not url:
        return ""
    if url.startswith("https://"):
        url = url.removesuffix(".git")
        if GITHUB.fullmatch(url):
            return url
    elif "://" not in url or url.startswith("file://"):
        folder = Path(url2pathname(urlsplit(url).path)) if url.startswith("file://") else Path(url)
        if folder.is_dir():
            return folder.resolve().as_uri()
    raise ToolError(
        f"{url!r} is no address for the book: give https://github.com/OWNER/NAME, "
        "or the folder of a local git repository, or nothing at all to remove the address"
    )


def setup_cell(url: str) -> str:
    """Return the code of the setup cell that every chapter has, for a checked address."""
    return SETUP.replace("@URL@", url)


def stamped(root: Path) -> str:
    """The address that ``_config.yml`` under ``root`` holds; empty if there is none yet."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def config_block(url: str) -> str:
    """Return the lines of ``_config.yml`` for an address; launch buttons only for a public one."""
    lines = ["repository:", f"  url: {url}" if url else '  url: ""', "  branch: main"]
    if GITHUB.fullmatch(url):
        lines += ["launch_buttons:", "  colab_url: https://colab.research.google.com"]
    return "\n".join(lines) + "\n"


def readme_block(url: str) -> str:
    """Return the lines of the README that say how to get the book."""
    if not url:
        return "Get a copy of this repository, and in its folder:\n\n```bash\nmake book\nmake test\n```\n"
    name = url.rsplit("/", 1)[-1]
    return f"```bash\ngit clone {url}\ncd {name}\nmake book\nmake test\n```\n"


def citation_block(url: str) -> str:
    """Return the lines of ``CITATION.cff`` for an address; none if it is empty."""
    return f"repository-code: {url}\n" if url else ""


def chapters_block(url: str, chapters: Sequence[Chapter]) -> str:
    """Return the README's table of chapters; with a public address each has a button that opens it in Colab."""
    public = GITHUB.fullmatch(url)
    lines = [head + last * bool(public) for head, last in README_TABLE]
    for c in chapters:
        row = f"| {c.number} | [{c.title}](book/{c.stem}.ipynb) | {c.question} | {c.minutes} |"
        colab = url.replace("https://", "https://colab.research.google.com/").replace("github.com", "github")
        lines.append(row + (f" [open in Colab]({colab}/blob/main/book/{c.stem}.ipynb) |" if public else ""))
    return "\n".join(lines) + "\n"


def replace_block(text: str, block: str, path: Path, name: str = "repository") -> str:
    """Return ``text`` with what stands between the two markers of this name replaced by ``block``."""
    pattern = re.compile(BLOCK.format(name), re.M | re.S)
    if len(pattern.findall(text)) != 1:
        raise ToolError(f"{path} must hold exactly one pair of lines with {name}:begin and {name}:end")
    return pattern.sub(lambda match: match["begin"] + block + match["end"], text)


def replace_setup_cell(text: str, url: str, path: Path) -> str:
    """Return the notebook ``text`` with its setup cell made for ``url``."""
    notebook = json.loads(text)
    cells = [c for c in notebook["cells"] if "".join(c["source"]).startswith(SETUP_BEGINS)]
    if len(cells) != 1:
        raise ToolError(f"{path} must hold exactly one cell that starts with {SETUP_BEGINS!r}")
    cells[0]["source"] = setup_cell(url).splitlines(keepends=True)
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def chapters(root: Path) -> list[Path]:
    """Return the chapters' notebooks under ``root``, in the order of their names."""
    return sorted((root / "book").glob("*.ipynb"))


def stamp(url: str, root: Path) -> list[Path]:
    """Write the book's address everywhere it is needed; an empty one removes it.

    All new texts are made before the first one is written. Doing it twice changes nothing more.

    Returns:
        The files whose text changed.

    Raises:
        ToolError: if the address (see `address`) is not one that the book can use, or a file lacks the place for it.
    """
    url = address(url)
    blocks = {"_config.yml": config_block, "README.md": readme_block, "CITATION.cff": citation_block}
    old = {path: path.read_text(encoding="utf-8") for path in [*(root / n for n in blocks), *chapters(root)]}
    new = {
        path: replace_setup_cell(text, url, path)
        if path.suffix == ".ipynb"
        else replace_block(text, blocks[path.name](url), path)
        for path, text in old.items()
    }
    readme = root / "README.md"
    new[readme] = replace_block(new[readme], chapters_block(url, read_chapters(root)), readme, "chapters")
    changed = [path for path in old if new[path] != old[path]]
    for path in changed:
        write_whole(path, new[path])
    return changed
