"""The commands of the library: ``python -m helpers --help`` lists them (``train``, ``abilities``, ``sweep``, ...)."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

TABLES = {  # command -> the modules whose `write_tables` it calls, and what they do
    "relations": (
        ("relation_table",),
        "find and judge a circuit of each relation, by EAP-IG and by the paper's method",
    ),
    "heads": (("head_tables",), "name the heads in all relations and several wordings"),
    "sharing": (("sharing",), "compare the circuits of all relations"),
    "edits": (
        ("traced_edits", "edit_series", "edit_table"),
        "trace facts, and judge edits alone and in sequence",
    ),
    "rewired": (("rewired_table",), "find the circuits of facts before and after an edit"),
    "masks": (("mask_table",), "find masks over weights, and edit inside and outside them"),
    "formation": (("formation_table",), "follow circuits along the training runs"),
    "llama": (("llama_table",), "measure circuits, heads and edits in both shapes of Atlas"),
    "memory": (("memory_table",), "measure and estimate what fits into memory"),
    "lists": (("few_shot_table",), "measure few-shot lists: silenced heads, function vectors, training"),
}


def train_command(arguments: argparse.Namespace) -> None:
    """Train the given models one after the other and put them into the package."""
    import torch

    from helpers.release import release
    from helpers.training import RUNS, train

    unknown = [name for name in arguments.models if name not in RUNS]
    if unknown:
        sys.exit(f"There is no plan for {', '.join(unknown)}; there are plans for {', '.join(RUNS)}.")

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for name in arguments.models or RUNS:
        folder = arguments.out / name
        train(RUNS[name], folder, tokenizer_folder=arguments.out / "tokenizer", device=arguments.device)
        release(folder, name)


def abilities_command(arguments: argparse.Namespace) -> None:
    """Measure the abilities of the embedded models and write the tables; fail at a miss that the card leaves out."""
    from helpers.release import explained, write_abilities

    table = write_abilities()
    print(table.drop(columns="weights").round(3).to_string(index=False))
    missed = [row for row in table[~table.met].itertuples() if row.ability not in explained(row.model)]
    if missed:
        sys.exit("Missed: " + ", ".join(f"{row.ability} ({row.model})" for row in missed))


def world_command(arguments: argparse.Namespace) -> None:
    """Write the invented and the composed facts anew from their modules."""
    from helpers.composed import write_composed
    from helpers.fiction import write_fiction
    from helpers.world import FACTS

    for path in write_fiction(FACTS / "fiction") + write_composed(FACTS / "composed"):
        print(path)


def tables_command(arguments: argparse.Namespace) -> None:
    """Fill the tables of one command of `TABLES`."""
    import torch

    from helpers.models import load_model
    from helpers.table_files import write_table

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for module in TABLES[arguments.tables][0]:
        import_module(f"helpers.{module}").write_tables(load_model, lambda *table: print(write_table(*table)))


def bench_command(arguments: argparse.Namespace) -> None:
    """Time the searches side by side and write the tables; or run one case and print its row."""
    import json

    from helpers.bench import bench, measure
    from helpers.table_files import write_table

    if arguments.case:
        print(json.dumps(measure(arguments.case)))
        return
    for name, table in zip(("bench", "cost"), bench(), strict=True):
        print(table.round(3).to_string(index=False))
        print(write_table(name, table))


def explorer_command(arguments: argparse.Namespace) -> None:
    """Write the data of the book's explorer."""
    import torch

    from helpers.explorer_data import MODEL, write_explorer
    from helpers.models import load_model

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        paths = write_explorer(load_model(MODEL))
    except FileNotFoundError as error:
        sys.exit(str(error))
    print(f"{len(paths)} files in {paths[-1].parent}")


def repository_command(arguments: argparse.Namespace) -> None:
    """Tell the book its public address."""
    from helpers.repository import stamp

    try:
        changed = stamp(arguments.url, Path.cwd())
    except (ValueError, FileNotFoundError) as error:
        sys.exit(str(error))
    print("\n".join(f"changed {path}" for path in changed) or "nothing to change")


def pdf_command(arguments: argparse.Namespace) -> None:
    """Print the built book as one PDF; say where it is."""
    try:
        from helpers.book_pages import NoBook
        from helpers.book_pdf import PdfError, write_pdf
    except ModuleNotFoundError as missing:
        sys.exit(f"{missing.name} isn't installed: `pip install -r requirements.txt`, or give `make pdf`.")
    try:
        sheets = write_pdf(arguments.book, arguments.out, arguments.solutions)
    except (NoBook, PdfError) as error:
        sys.exit(str(error))
    print(f"{sheets} pages: {arguments.out}")


def picture_command(arguments: argparse.Namespace) -> None:
    """Renew the picture of the README."""
    from helpers.book_pages import NoBook
    from helpers.book_pdf import PdfError
    from helpers.book_picture import PICTURE, take_picture

    try:
        take_picture(arguments.book, PICTURE)
    except (NoBook, PdfError) as error:
        sys.exit(str(error))
    print(PICTURE)


def slides_command(arguments: argparse.Namespace) -> None:
    """Make slides of the built chapters."""
    from helpers.slides import write_slides

    try:
        decks = write_slides(Path.cwd(), arguments.chapters)
    except FileNotFoundError as error:
        sys.exit(str(error))
    print("\n".join(f"{deck.path}: {deck.slides} slides" for deck in decks))
    print(f"All decks: {decks[0].path.with_name('index.html')}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = main.add_subparsers(required=True)
    train = commands.add_parser("train", help="train Atlas from nothing; goes on where a stopped run was")
    train.add_argument("--models", nargs="+", default=[], metavar="NAME", help="which of them (default: all)")
    train.add_argument("--out", type=Path, default=Path("runs"), help="folder for states and logs (default: runs)")
    train.add_argument("--device", help="cpu or cuda (default: a GPU if there is one)")
    train.add_argument("--threads", type=int, help="processor threads (default: all)")
    train.set_defaults(run=train_command)
    abilities = commands.add_parser("abilities", help="measure what the embedded models can do")
    abilities.set_defaults(run=abilities_command)
    for name, (_, what) in TABLES.items():
        tables = commands.add_parser(name, help=f"{what}, and write the tables (some ten minutes)")
        tables.add_argument("--threads", type=int, help="processor threads (default: all)")
        tables.set_defaults(run=tables_command, tables=name)
    sweep = commands.add_parser("sweep", help="circuits of many relations, methods and models, on one machine or many")
    import_module("helpers.sweep_command").add_arguments(sweep)
    grade = commands.add_parser("grade", help="points for the exercises of chapters that students have filled in")
    import_module("helpers.grade_command").add_arguments(grade)
    bench = commands.add_parser("bench", help="time the searches beside their slow references (some minutes)")
    bench.add_argument("--case", help="run only this case, in this process")
    bench.set_defaults(run=bench_command)
    explorer = commands.add_parser("explorer", help="write the data of the book's explorer (some ten minutes)")
    explorer.add_argument("--threads", type=int, help="processor threads (default: all)")
    explorer.set_defaults(run=explorer_command)
    world = commands.add_parser("world", help="write the invented and composed facts anew")
    world.set_defaults(run=world_command)
    slides = commands.add_parser("slides", help="slides of the chapters, from the built book (see `make book`)")
    slides.add_argument("chapters", nargs="*", type=int, metavar="NN", help="numbers of chapters (default: all)")
    slides.set_defaults(run=slides_command)
    repository = commands.add_parser("repository", help="set the book's public address; empty removes it")
    repository.add_argument("url")
    repository.set_defaults(run=repository_command)
    pdf = commands.add_parser("pdf", help="print the built book as one PDF (needs Chromium)")
    pdf.add_argument("--book", type=Path, default=Path("_build/html"), help="the built book (default: _build/html)")
    pdf.add_argument("--out", type=Path, default=Path("_build/knowledge-circuits.pdf"), help="where to write it")
    pdf.add_argument("--solutions", action="store_true", help="print the solutions of the exercises too")
    pdf.set_defaults(run=pdf_command)
    picture = commands.add_parser("picture", help="take the README's picture from the built book (needs Chromium)")
    picture.add_argument("--book", type=Path, default=Path("_build/html"), help="the built book (default: _build/html)")
    picture.set_defaults(run=picture_command)
    return main


if __name__ == "__main__":
    parsed = parser().parse_args()
    parsed.run(parsed)
