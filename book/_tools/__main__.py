"""What builds the book around its chapters: ``python book/_tools --help`` lists the commands."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that `_tools` can be imported from anywhere

from _tools.grader import command as grader  # noqa: E402

BOOK = Path("_build") / "html"
PDF = Path("_build") / "knowledge-circuits.pdf"
PICTURE = Path("book") / "_static" / "picture.png"


def explorer_command(arguments: argparse.Namespace) -> None:
    """Write the data of the book's explorer."""
    import torch

    from _tools.explorer_data import MODEL, write_explorer
    from helpers import load_model

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        paths = write_explorer(load_model(MODEL))
    except FileNotFoundError as error:
        sys.exit(str(error))
    print(f"{len(paths)} files in {paths[-1].parent}")


def repository_command(arguments: argparse.Namespace) -> None:
    """Tell the book its public address."""
    from _tools.repository import stamp

    try:
        changed = stamp(arguments.url, Path.cwd())
    except (ValueError, FileNotFoundError) as error:
        sys.exit(str(error))
    print("\n".join(f"changed {path}" for path in changed) or "nothing to change")


def pdf_command(arguments: argparse.Namespace) -> None:
    """Print the built book as one PDF; say where it is."""
    from _tools.pdf import PdfError, write_pdf

    try:
        sheets = write_pdf(BOOK, PDF, arguments.solutions)
    except PdfError as error:
        sys.exit(str(error))
    print(f"{sheets} pages: {PDF}")


def picture_command(arguments: argparse.Namespace) -> None:
    """Renew the picture of the README."""
    from _tools.pdf import PdfError, take_picture

    try:
        take_picture(BOOK, PICTURE)
    except PdfError as error:
        sys.exit(str(error))
    print(PICTURE)


def slides_command(arguments: argparse.Namespace) -> None:
    """Make slides of the built chapters."""
    from _tools.slides import write_slides

    try:
        decks = write_slides(Path.cwd())
    except FileNotFoundError as error:
        sys.exit(str(error))
    for path, slides in decks.items():
        print(f"{path}: {slides} slides")
    print(f"All decks: {path.with_name('index.html')}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(prog="python book/_tools", description=__doc__)
    commands = main.add_subparsers(required=True)
    grade = commands.add_parser("grade", help="points for the exercises of chapters that students have filled in")
    grader.add_arguments(grade)
    explorer = commands.add_parser("explorer", help="write the data of the book's explorer (some ten minutes)")
    explorer.add_argument("--threads", type=int, help="processor threads (default: all)")
    explorer.set_defaults(run=explorer_command)
    slides = commands.add_parser("slides", help="slides of the chapters, from the built book (see `make book`)")
    slides.set_defaults(run=slides_command)
    repository = commands.add_parser("repository", help="set the book's public address; empty removes it")
    repository.add_argument("url")
    repository.set_defaults(run=repository_command)
    pdf = commands.add_parser("pdf", help="print the built book as one PDF (needs Chromium)")
    pdf.add_argument("--solutions", action="store_true", help="print the solutions of the exercises too")
    pdf.set_defaults(run=pdf_command)
    picture = commands.add_parser("picture", help="take the README's picture from the built book (needs Chromium)")
    picture.set_defaults(run=picture_command)
    return main


if __name__ == "__main__":
    parsed = parser().parse_args()
    parsed.run(parsed)
