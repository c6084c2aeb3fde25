"""The commands of the library: ``python -m helpers --help`` lists them (``train``, ``tables``, ``sweep``, ...)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

SMOLLM2 = ("knows", "circuits", "heads", "maps", "skills")
JUDGES = ("planted_judge", "exact_judge", "circuit_judge", "completeness", "cost")
TABLES = {  # name -> the modules of `helpers` whose `write_tables` fill it, and what they do
    "abilities": (("atlas.release",), "measure what the embedded models can do"),
    "relations": (("studies.edge_pruning.relation_table",), "find and judge a circuit of each relation"),
    "bench": (("studies.edge_pruning.bench",), "time the searches beside their slow references"),
    "heads": (
        ("studies.heads.head_tables", "studies.heads.knockouts"),
        "measure and name the heads of Atlas and SmolLM2 in all relations, and silence them",
    ),
    "shared": (
        tuple(f"studies.what_relations_share.{name}" for name in ("transfer", "heads")),
        "ask every relation with every other one's circuit, in SmolLM2 and Atlas",
    ),
    "map": (("studies.atlas_of_circuits.mapped",), "find circuits of both halves of all relations, and their sizes"),
    "edits": (
        tuple(f"studies.locate_and_edit.{name}" for name in ("traced_facts", "edit_series", "atlas_edits")),
        "trace facts in the first Atlas, edit Atlas and the circle, and judge edits alone and in sequence",
    ),
    "real_edits": (("studies.locate_and_edit.real_edits",), "edit SmolLM2 in every way, alone and many at once"),
    "edited": (("studies.edited_circuits.edited_table",), "find the circuits of facts before and after an edit"),
    "competition": (
        ("studies.competition.competition_table",),
        "set facts against false sentences: doses, predictions, steering, scaled heads",
    ),
    "masks": (
        ("studies.editing_inside_circuits.table", "studies.editing_inside_circuits.edit_table"),
        "find masks over weights, and edit inside and outside of circuits",
    ),
    "fact_places": (
        tuple(f"studies.where_facts_are_kept.{name}" for name in ("places", "probes", "edits", "newcomers")),
        "where the second Atlas keeps facts: patching, probes, edits, new people",
    ),
    "which_search": (
        tuple(f"studies.which_search.{name}" for name in JUDGES),
        "judge the searches on planted models, exact scores, circuits and costs",
    ),
    "hops": (
        ("studies.two_hops_and_reversal.hops_table",),
        "ask questions of two steps, swap states that know another bridge, ask facts from both ends",
    ),
    "hallucination": (
        ("studies.hallucination.real_ways",),
        "follow SmolLM2's right and wrong answers through its layers, and judge signs of errors",
    ),
    "lists": (("studies.in_context_learning.few_shot_table",), "measure few-shot lists"),
    "induction": (("studies.induction.forming",), "train Atlas again to where copying forms, and look closely"),
    "formation": (("studies.how_circuits_form.formation_table",), "follow circuits along the training runs"),
    "llama": (("studies.your_own_model.llama_table",), "measure circuits, heads and edits in both shapes of Atlas"),
    "own_edits": (("studies.your_own_model.own_edits",), "edit SmolLM2 at many layers, at two places of the prompt"),
    "smollm2": (
        (*(f"studies.smollm2.{name}" for name in SMOLLM2), "studies.indirect_objects.real_heads"),
        "what SmolLM2 knows, and its circuits, heads and skills",
    ),
    "indirect_objects": (
        ("studies.indirect_objects.real_circuits", "studies.indirect_objects.real_paths"),
        "find SmolLM2's circuits of indirect objects, cut paths, patch the prompt's end",
    ),
    "smollm2_mlps": (
        tuple(f"studies.mlps.{name}" for name in ("routes", "attributes")),
        "cut SmolLM2's MLPs and edges by tokens of the subject, and read attributes at it",
    ),
    "smollm2_bench": (("studies.smollm2.bench",), "time the library's calls on SmolLM2, beside their arithmetic"),
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
        words = arguments.out / ("tokenizer" if RUNS[name].corpus == "first" else "tokenizer2")
        train(RUNS[name], folder, tokenizer_folder=words, device=arguments.device)
        release(folder, name)


def world_command(arguments: argparse.Namespace) -> None:
    """Write the invented and the composed facts anew from their modules."""
    from helpers.atlas import circle, clans, composed, fiction, firms, people
    from helpers.prompts.relations import FACTS

    writers = {
        "fiction": fiction.write_fiction,
        "composed": composed.write_composed,
        "people": people.write_people,
        "clans": clans.write_clans,
        "circle": circle.write_circle,
        "firms": firms.write_firms,  # made from the two before
    }
    for kind, write in writers.items():
        print(*write(FACTS / kind), sep="\n")


def tables_command(arguments: argparse.Namespace) -> None:
    """Fill committed tables anew: the given ones, or all of them, which goes on where it was stopped."""
    import torch

    from helpers.models.load import load_model
    from helpers.studies.tables import fill_tables, write_table

    if unknown := [name for name in arguments.names if name not in TABLES]:
        sys.exit(f"There are no tables {', '.join(unknown)}; choose from {', '.join(TABLES)}.")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    modules = [module for name in arguments.names or TABLES for module in TABLES[name][0]]
    notes = None if arguments.names else Path("runs") / "tables"
    fill_tables(modules, load_model, lambda *table: print(write_table(*table)), notes)


def parts(text: str) -> list[str]:
    """The parts of a list with commas; a file or folder that is there is one part, commas and all."""
    whole = text and Path(text).expanduser().exists()
    found = [text] if whole else [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names nothing; give a list with commas")
    return found


def numbers(text: str) -> list[float]:
    """The numbers of a list with commas."""
    try:
        return [float(part) for part in parts(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers with commas, such as 0.03,0.1") from error


def refused(why: object) -> SystemExit:
    """An end with the exit code of wrong arguments, after a sentence that says why."""
    print(why, file=sys.stderr)
    end = SystemExit(str(why))
    end.code = 2
    return end


def sweep_command(arguments: argparse.Namespace) -> None:
    """Sweep; say what was done, and end with an error if circuits are missing."""
    from helpers.studies.atlas_of_circuits import jobs, run
    from helpers.studies.atlas_of_circuits.choices import chosen_relations
    from helpers.studies.tables import write_table

    sizes = {"share": arguments.sizes, "keep": arguments.keep, "tau": arguments.tau}
    options = {name: getattr(arguments, name) for name in ("seeds", "metric", "ablation")}
    options["pairs"] = arguments.pairs, arguments.test_pairs
    where = {"scheduler": arguments.scheduler, "workers": arguments.workers}
    try:
        if arguments.out.exists() and not arguments.out.is_dir():
            raise ValueError(f"--out {arguments.out} is a file; give a folder")
        asked = chosen_relations(arguments.relations)
        planned, skipped = jobs.plan(arguments.models, asked, arguments.methods, sizes, **options)
    except (ImportError, OSError, ValueError) as error:
        raise refused(error) from error
    try:
        swept = run.sweep(planned, arguments.out, skipped=skipped, **where)
        if arguments.table:
            done = swept.table[swept.table.status == "done"].drop(columns="reason", errors="ignore")
            if done.duplicated(run.ORDER).any():
                sys.exit(f"{arguments.out} also has circuits of earlier weights or arguments: give an empty --out")
            write_table(arguments.table, done)
    except (ImportError, ValueError) as error:
        raise refused(error) from error
    except (OSError, KeyboardInterrupt) as error:
        why = "Stopped." if isinstance(error, KeyboardInterrupt) else f"{error}."
        sys.exit(f"{why} Finished circuits are in {arguments.out}; the same command goes on from there.")
    print(*swept.damaged, sep="\n", end="\n" * bool(swept.damaged))
    print(f"{swept.computed} circuits computed, {swept.reused} were there, {len(skipped)} can't be asked for.", end=" ")
    print(f"The table: {arguments.out / 'circuits.csv'}")
    failed = swept.table[swept.table.status == "failed"]
    if len(failed):
        first = "{model} {relation} {method} {size} {seed}: {reason}".format(**failed.iloc[0])
        sys.exit(f"{len(failed)} circuits failed; the same command tries them again. The first: {first}")


def sweep_arguments(add: Callable) -> None:
    """The arguments of ``sweep``; lists have commas and no spaces."""
    searches = "eap, eap_ig, clean_corrupted, exact, acdc, edge_pruning"
    each = "names, all, a kind of knowledge, NAME:each (its groups), FILE.json"
    add("--model", "--models", dest="models", type=parts, default=["atlas"], help="embedded, folders or hub names")
    add("--relations", type=parts, default=["all"], help=each)
    add("--methods", type=parts, default=["acdc", "eap_ig"], help=f"of {searches} (default: acdc,eap_ig)")
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
    add("--table", metavar="NAME", help="also keep everything in --out with the book: helpers/tables/NAME.csv")


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
        epilog="\n".join(f"{name:15}{what}" for name, (_, what) in TABLES.items()),
    )
    tables.add_argument("names", nargs="*", metavar="NAME", help="which (default: all; a stopped run goes on)")
    tables.add_argument("--threads", type=int, help="processor threads (default: all)")
    tables.set_defaults(run=tables_command)
    sweep = commands.add_parser("sweep", help="circuits of many relations, methods and models, on one machine or many")
    sweep_arguments(sweep.add_argument)
    sweep.set_defaults(run=sweep_command)
    world = commands.add_parser("world", help="write the invented and composed facts anew")
    world.set_defaults(run=world_command)
    return main


if __name__ == "__main__":
    parsed = parser().parse_args()
    parsed.run(parsed)
