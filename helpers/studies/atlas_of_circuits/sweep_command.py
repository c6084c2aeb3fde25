"""The command ``python -m helpers sweep``: its arguments, and what it says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from helpers.prompts.relations import KINDS
from helpers.studies.atlas_of_circuits.sweep_jobs import METHODS, SweepError
from helpers.studies.atlas_of_circuits.sweep_plan import Plan, chosen_relations
from helpers.studies.atlas_of_circuits.sweep_run import Swept, sweep
from helpers.studies.atlas_of_circuits.sweep_store import pack
from helpers.studies.tables import TABLES, write_table


def words(text: str) -> list[str]:
    """The parts of a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def numbers(text: str) -> list[float]:
    """The numbers of a list with commas."""
    return [float(part) for part in words(text)]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of the command; lists have commas and no spaces."""
    add = command.add_argument
    add("--model", "--models", dest="models", type=words, default=["atlas"], help="embedded, folders or hub names")
    kinds = ", ".join(KINDS)
    add(
        "--relations",
        type=words,
        default=["all"],
        help=f"names, all, kinds ({kinds}), NAME:each (its groups), FILE.json",
    )
    add("--methods", type=words, default=["acdc", "eap_ig"], help=f"of {', '.join(METHODS)}")
    add("--seeds", type=int, default=1, help="how many draws of train pairs (default: 1)")
    add("--sizes", type=numbers, default=[0.03], help="shares of all edges (default: 0.03)")
    add("--keep", type=numbers, default=[], help="also the smallest circuits that keep these shares of the metric")
    add("--tau", type=numbers, default=[0.1], help="ACDC's thresholds (default: 0.1)")
    add("--pairs", type=int, default=20, help="train pairs (default: 20)")
    add("--test-pairs", type=int, default=40, help="held-out pairs (default: 40)")
    add("--ablation", default="corrupt", help="corrupt, zero or mean (default: corrupt)")
    add("--metric", default="logit_diff", help="what the searches follow (default: logit_diff)")
    add("--out", type=Path, default=Path("results"), help="folder of the results (default: results)")
    add("--workers", type=int, help="processes on this machine (default: one for each core)")
    add("--scheduler", metavar="ADDRESS", help="a Dask scheduler, such as tcp://host:8786, whose workers do the work")
    add("--table", metavar="NAME", help="also keep everything in --out with the book: helpers/tables/NAME.*")
    command.set_defaults(run=sweep_command)


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan that the arguments ask for."""
    options = {"shares": arguments.sizes, "keep": arguments.keep, "taus": arguments.tau}
    options |= {"ablation": arguments.ablation, "metric": arguments.metric}
    pairs, asked = (arguments.pairs, arguments.test_pairs), chosen_relations(arguments.relations)
    return Plan(arguments.models, asked, arguments.methods, arguments.seeds, pairs, options)


def sweep_command(arguments: argparse.Namespace) -> None:
    """Sweep; say what was done, and end with an error if circuits are missing."""
    try:
        swept = sweep(plan_of(arguments), arguments.out, scheduler=arguments.scheduler, workers=arguments.workers)
        if arguments.table:
            write_table(arguments.table, pack(arguments.out, TABLES / f"{arguments.table}.safetensors"))
    except (SweepError, ValueError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(f"Stopped. Finished circuits are in {arguments.out}; the same command goes on from there.")
    print(told(swept, arguments.out))
    if swept.failed:
        sys.exit(
            f"{len(swept.failed)} circuits failed; the same command tries them again. The first: {swept.failed[0]}"
        )


def told(swept: Swept, out: Path) -> str:
    """What a sweep did, in words."""
    done = f"{swept.computed} circuits computed, {swept.reused} were there, {swept.skipped} can't be asked for."
    return "\n".join([*swept.damaged, f"{done} The table: {out / 'circuits.csv'}"])
