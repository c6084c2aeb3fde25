"""What builds the book around its chapters: ``python book/_tools --help`` lists the commands."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that `_tools` can be imported from anywhere

from _tools import ToolError  # noqa: E402
from _tools.grader import command as grader  # noqa: E402

BOOK = Path("_build") / "html"
PDF = Path("_build") / "knowledge-circuits.pdf"
PICTURE = Path("book") / "_static" / "picture.png"


def explorer(arguments: argparse.Namespace) -> None:
    """Write the data of the book's explorer."""
    from _tools.explorer_atlas import SOURCE as ATLAS
    from _tools.explorer_data import write_explorer
    from _tools.explorer_smollm2 import SOURCE as SMOLLM2
    from helpers import load_model

    sources = SMOLLM2, ATLAS
    for source in sources:
        if source.name in (arguments.models or source.name):
            paths = write_explorer(load_model(source.name), source, sources)
            print(f"{len(paths)} files of {source.name} in {paths[-1].parent}")


def repository(arguments: argparse.Namespace) -> None:
    """Tell the book its public address."""
    from _tools.repository import stamp

    print("\n".join(f"changed {path}" for path in stamp(arguments.url, Path.cwd())) or "nothing to change")


def pdf(arguments: argparse.Namespace) -> None:
    """Print the built book as one PDF; say where it is."""
    from _tools.pdf import write_pdf

    print(f"{write_pdf(BOOK, PDF, arguments.solutions)} pages: {PDF}")


def picture(arguments: argparse.Namespace) -> None:
    """Renew the picture of the README."""
    from _tools.pdf import take_picture

    take_picture(BOOK, PICTURE)
    print(PICTURE)


def slides(arguments: argparse.Namespace) -> None:
    """Make slides of the built chapters."""
    from _tools.slides import write_slides

    for path, count in write_slides(Path.cwd()).items():
        print(f"{path}: {count} slides")
    print(f"All decks: {path.with_name('index.html')}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(prog="python book/_tools", description=__doc__)
    commands = main.add_subparsers(required=True)
    grade = commands.add_parser("grade", help="points for the exercises of chapters that students have filled in")
    grader.add_arguments(grade)
    made = {
        explorer: "write the data of the book's explorer (about an hour; goes on where it was stopped)",
        slides: "slides of the chapters, from the built book (see `make book`)",
        repository: "set the book's public address; empty removes it",
        pdf: "print the built book as one PDF (needs Chromium)",
        picture: "take the README's picture from the built book (needs Chromium)",
    }
    command = {run: commands.add_parser(run.__name__, help=told) for run, told in made.items()}
    for run, own in command.items():
        own.set_defaults(run=run)
    command[explorer].add_argument("--models", nargs="*", choices=("smollm2", "atlas"), help="only these")
    command[repository].add_argument("url")
    command[pdf].add_argument("--solutions", action="store_true", help="print the solutions of the exercises too")
    return main


if __name__ == "__main__":
    parsed = parser().parse_args()
    try:
        parsed.run(parsed)
    except ToolError as error:
        sys.exit(str(error))
