"""The tables that take longer than a chapter may: CSV files in ``helpers/tables``.

A command, ``make tables NAME=relations`` for instance, writes them; chapters read them with `read_table`, and compute
single rows again to show that they are what the code gives. A module that fills tables has a function
``write_tables(load, write)``, which the command calls.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

TABLES = Path(__file__).parents[1] / "tables"
SEEDS = ("atlas", "atlas-seed1")  # the two models of most tables
Load = Callable[[str], object]  # a model by its name
Write = Callable[[str, pd.DataFrame], object]  # a table by its name


def read_table(name: str) -> pd.DataFrame:
    """A committed table by its name, such as ``"relations"`` (circuits found by EAP-IG) or ``"edits"``.

    Raises:
        FileNotFoundError: if there is none; the message lists those that there are.
    """
    path = TABLES / f"{name}.csv"
    if not path.is_file():
        raise FileNotFoundError(
            f"no table {name!r}; there are {', '.join(sorted(p.stem for p in TABLES.glob('*.csv')))}"
        )
    return pd.read_csv(path)


def write_table(name: str, table: pd.DataFrame) -> Path:
    """Write a table to where `read_table` finds it."""
    path = TABLES / f"{name}.csv"
    write_whole(path, table.round(4).to_csv(index=False, lineterminator="\n"))
    return path


def write_whole(path: Path, content: str) -> None:
    """Write a file so that under its name there is never a part of it, even if the process is killed."""
    part = path.with_name(f"{path.name}.unfinished")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(part, "w", encoding="utf-8", newline="") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def write_parts(write: Write, name: str, parts: Iterable[pd.DataFrame]) -> None:
    """A table that grows part by part, written after each one, so that a stopped run leaves what it has."""
    done: list[pd.DataFrame] = []
    for part in parts:
        done.append(part)
        write(name, pd.concat(done, ignore_index=True))


ASKED = (
    "country_capital",
    "landmark_country",
    "person_hometown",
    "company_country",
    "person_occupation",
    "element_symbol",
    "novel_author",
    "person_employer",
    "city_country",
    "product_company",
)


EDITS = 10  # for each relation


FRESH = 2  # of the requests that the best method is judged on again, relation by relation: nothing was chosen on them


BEST = ("ROME, last token, 3 wordings", 5)  # judged relation by relation, too
