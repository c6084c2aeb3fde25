"""The commands of the library: ``python -m helpers --help`` lists them (``train``, ``tables``, ``sweep``, ...)."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

TABLES = {  # name -> the modules of `helpers` whose `write_tables` fill it, and what they do
    "abilities": (("atlas.release",), "measure what the embedded models can do"),
    "relations": (("studies.edge_pruning.relation_table",), "find and judge a circuit of each relation"),
    "bench": (("studies.edge_pruning.bench",), "time the searches beside their slow references"),
    "heads": (("studies.heads.head_tables",), "name the heads in all relations and several wordings"),
    "sharing": (("studies.mlps.sharing",), "compare the circuits of all relations"),
    "edits": (
        tuple(f"studies.locate_and_edit.{name}" for name in ("traced_edits", "edit_series", "edit_table")),
        "trace facts, and judge edits alone and in sequence",
    ),
    "rewired": (("studies.edited_circuits.rewired_table",), "find the circuits of facts before and after an edit"),
    "masks": (("studies.editing_inside_circuits.table",), "find masks over weights, and edit inside and outside them"),
    "lists": (("studies.in_context_learning.few_shot_table",), "measure few-shot lists"),
    "formation": (("studies.how_circuits_form.formation_table",), "follow circuits along the training runs"),
    "llama": (("studies.your_own_model.llama_table",), "measure circuits, heads and edits in both shapes of Atlas"),
    "memory": (("studies.your_own_model.memory_table",), "measure and estimate what fits into memory"),
}


def train_command(arguments: argparse.Namespace) -> None:
    """Train the given models one after the other and put them into the package."""
    import torch

    from helpers.atlas.release import release
    from helpers.atlas.training import RUNS, train

    unknown = [name for name in arguments.models if name not in RUNS]
    if unknown:
        sys.exit(f"There is no plan for {', '.join(unknown)}; there are plans for {', '.join(RUNS)}.")

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for name in arguments.models or RUNS:
        folder = arguments.out / name
        train(RUNS[name], folder, tokenizer_folder=arguments.out / "tokenizer", device=arguments.device)
        release(folder, name)


def world_command(arguments: argparse.Namespace) -> None:
    """Write the invented and the composed facts anew from their modules."""
    from helpers.atlas.composed import write_composed
    from helpers.atlas.fiction import write_fiction
    from helpers.prompts.relations import FACTS

    for path in write_fiction(FACTS / "fiction") + write_composed(FACTS / "composed"):
        print(path)


def tables_command(arguments: argparse.Namespace) -> None:
    """Fill committed tables anew."""
    import torch

    from helpers.models.load import load_model
    from helpers.studies.tables import write_table

    if unknown := [name for name in arguments.names if name not in TABLES]:
        sys.exit(f"There are no tables {', '.join(unknown)}; choose from {', '.join(TABLES)}.")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for name in arguments.names or TABLES:
        for module in TABLES[name][0]:
            import_module(f"helpers.{module}").write_tables(load_model, lambda *table: print(write_table(*table)))


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
    tables = commands.add_parser(
        "tables",
        help="compute committed tables anew (ten minutes to hours each)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name:11}{what}" for name, (_, what) in TABLES.items()),
    )
    tables.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    tables.add_argument("--threads", type=int, help="processor threads (default: all)")
    tables.set_defaults(run=tables_command)
    sweep = commands.add_parser("sweep", help="circuits of many relations, methods and models, on one machine or many")
    import_module("helpers.studies.atlas_of_circuits.sweep_command").add_arguments(sweep)
    world = commands.add_parser("world", help="write the invented and composed facts anew")
    world.set_defaults(run=world_command)
    return main


if __name__ == "__main__":
    parsed = parser().parse_args()
    parsed.run(parsed)
