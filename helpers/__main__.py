"""Commands: ``python -m helpers`` and ``train``, ``abilities``, ``sweep``, ``heads``, ``sharing``, ``edits``,
``lists``, ``bench``, ``world`` or ``repository``.

``--help`` explains each.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

CHECKPOINTS = {0: (50, 100, 200, 400, 800), 1: ()}
NAMES = {0: "atlas", 1: "atlas-seed1"}


def train_command(arguments: argparse.Namespace) -> None:
    """Train the given seeds one after the other and put them into the package."""
    import torch

    from helpers.release import release
    from helpers.training import TrainingPlan, train

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for seed in arguments.seeds:
        folder = arguments.out / NAMES[seed]
        plan = TrainingPlan(seed=seed, checkpoints=CHECKPOINTS[seed])
        train(plan, folder, tokenizer_folder=arguments.out / "tokenizer", device=arguments.device)
        release(folder, NAMES[seed])


def abilities_command(arguments: argparse.Namespace) -> None:
    """Measure the abilities of the embedded models and write the tables; fail at a miss that the card leaves out."""
    from helpers.release import KNOWN_MISSES, write_abilities

    table = write_abilities()
    print(table.drop(columns="weights").round(3).to_string(index=False))
    missed = table[~table.met & ~table.ability.isin(list(KNOWN_MISSES))]
    if not missed.empty:
        sys.exit("Missed: " + ", ".join(f"{row.ability} ({row.model})" for row in missed.itertuples()))


def world_command(arguments: argparse.Namespace) -> None:
    """Write the invented and the composed facts anew from their modules."""
    from helpers.composed import write_composed
    from helpers.fiction import write_fiction
    from helpers.world import FACTS

    for path in write_fiction(FACTS / "fiction") + write_composed(FACTS / "composed"):
        print(path)


def sweep_command(arguments: argparse.Namespace) -> None:
    """Find and judge a circuit of each relation, in two ways, and write the tables."""
    import torch

    from helpers.models import load_model
    from helpers.sweep import asked_relations, paper_row, relation_row, sweep, write_table

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model = load_model("atlas")
    for name, row in (("relations", relation_row), ("acdc", paper_row)):
        print(write_table(name, sweep(model, row, asked_relations())))


def heads_command(arguments: argparse.Namespace) -> None:
    """Name the heads of both seeds in all relations and several wordings, and write the tables."""
    import torch

    from helpers.head_tables import head_tables
    from helpers.models import load_model
    from helpers.sweep import write_table

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for name, table in head_tables({name: load_model(name) for name in NAMES.values()}).items():
        print(write_table(name, table))


def sharing_command(arguments: argparse.Namespace) -> None:
    """Find circuits of all relations, try each on the others, and write the tables."""
    import torch

    from helpers.graph import Graph
    from helpers.models import load_model
    from helpers.sharing import (
        TRANSFERRED,
        circuit_rows,
        cut_rows,
        read_circuits,
        shared_relations,
        transfer_rows,
    )
    from helpers.sweep import write_table

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model, names = load_model("atlas"), shared_relations()
    print(write_table("cuts", cut_rows(model, names)))
    circuits = circuit_rows(model, names)
    print(write_table("circuits", circuits))
    found = read_circuits(Graph.from_model(model), table=circuits)
    found = {name: found[name] for name in TRANSFERRED}
    print(write_table("transfer", transfer_rows(model, found, TRANSFERRED)))


def edits_command(arguments: argparse.Namespace) -> None:
    """Make a hundred edits by each editor at each layer, judge them, and write the tables."""
    import pandas as pd
    import torch

    from helpers.edit_table import asked_requests, edit_tables, relation_rows
    from helpers.models import load_model
    from helpers.sweep import write_table

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model, done = load_model("atlas"), []
    requests = asked_requests(model)
    print(write_table("edits_by_relation", relation_rows(model, requests)))
    for part in edit_tables(model, requests):
        done.append(part)
        path = write_table("edits", pd.concat(done))  # after each part, so that a stopped run leaves what it has
    print(path)


def lists_command(arguments: argparse.Namespace) -> None:
    """Measure few-shot lists in both seeds and along the training, and write the tables."""
    import pandas as pd
    import torch

    from helpers.few_shot_table import list_tables, training_rows
    from helpers.models import checkpoints, load_model
    from helpers.sweep import write_table

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    steps = {name: step for step, name in checkpoints().items()} | {NAMES[1]: None}
    parts = [training_rows(load_model(name)).assign(model=name, step=step) for name, step in steps.items()]
    print(write_table("lists_training", pd.concat(parts)))
    done: dict[str, list] = {}
    for name in NAMES.values():
        for table, rows in list_tables(load_model(name), name).items():
            done.setdefault(table, []).append(rows)
            print(write_table(table, pd.concat(done[table])))


def bench_command(arguments: argparse.Namespace) -> None:
    """Time the searches side by side and write the tables; or run one case and print its row."""
    import json

    from helpers.bench import bench, measure
    from helpers.sweep import write_table

    if arguments.case:
        print(json.dumps(measure(arguments.case)))
        return
    for name, table in zip(("bench", "cost"), bench(), strict=True):
        print(table.round(3).to_string(index=False))
        print(write_table(name, table))


def repository_command(arguments: argparse.Namespace) -> None:
    """Tell the book its public address."""
    from helpers.repository import stamp

    try:
        changed = stamp(arguments.url, Path.cwd())
    except (ValueError, FileNotFoundError) as error:
        sys.exit(str(error))
    print("\n".join(f"changed {path}" for path in changed) or "nothing to change")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = main.add_subparsers(required=True)
    train = commands.add_parser("train", help="train Atlas from nothing; goes on where a stopped run was")
    train.add_argument("--seeds", type=int, nargs="+", choices=sorted(NAMES), default=sorted(NAMES))
    train.add_argument("--out", type=Path, default=Path("runs"), help="folder for states and logs (default: runs)")
    train.add_argument("--device", help="cpu or cuda (default: a GPU if there is one)")
    train.add_argument("--threads", type=int, help="processor threads (default: all)")
    train.set_defaults(run=train_command)
    abilities = commands.add_parser("abilities", help="measure what the embedded models can do")
    abilities.set_defaults(run=abilities_command)
    for name, run, what in (
        ("sweep", sweep_command, "find and judge the circuits of all relations"),
        ("heads", heads_command, "name the heads in all relations and several wordings"),
        ("sharing", sharing_command, "compare the circuits of all relations"),
        ("edits", edits_command, "make and judge a hundred edits by each editor"),
        ("lists", lists_command, "measure few-shot lists: silenced heads, function vectors, training"),
    ):
        tables = commands.add_parser(name, help=f"{what}, and write the tables (some ten minutes)")
        tables.add_argument("--threads", type=int, help="processor threads (default: all)")
        tables.set_defaults(run=run)
    bench = commands.add_parser("bench", help="time the searches beside their slow references (some minutes)")
    bench.add_argument("--case", help="run only this case, in this process")
    bench.set_defaults(run=bench_command)
    world = commands.add_parser("world", help="write the invented and composed facts anew")
    world.set_defaults(run=world_command)
    repository = commands.add_parser("repository", help="set the book's public address; empty removes it")
    repository.add_argument("url")
    repository.set_defaults(run=repository_command)
    return main


if __name__ == "__main__":
    parsed = parser().parse_args()
    parsed.run(parsed)
