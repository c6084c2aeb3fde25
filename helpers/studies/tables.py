"""The tables that take longer than a chapter may: CSV files in ``helpers/tables``.

A command, ``make tables NAME=relations`` for instance, writes them; chapters read them with `read_table`, and compute
single rows again to show that they are what the code gives. A module that fills tables has a function
``write_tables(load, write)``, which the command calls.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from importlib import import_module
from pathlib import Path

import pandas as pd

from helpers.checks import checked
from helpers.files import write_whole
from helpers.statistics import Estimate

TABLES = Path(__file__).parents[1] / "tables"
SEEDS = ("atlas", "atlas-seed1")  # the two models of most tables
Load = Callable[[str], object]  # a model by its name
Write = Callable[[str, pd.DataFrame], object]  # a table by its name


def read_table(name: str) -> pd.DataFrame:
    """A committed table by its name, such as ``"relations"`` (circuits found by EAP-IG) or ``"edits"``.

    Raises:
        FileNotFoundError: if there is none; the message lists those that there are.
    """
    path = _path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"no table {name!r}; there are {', '.join(sorted(p.stem for p in TABLES.glob('*.csv')))}"
        )
    return pd.read_csv(path)


def write_table(name: str, table: pd.DataFrame) -> Path:
    """Write a table to where `read_table` finds it.

    Raises:
        OSError: if it can't be written; the table that was there stays.
    """
    return write_whole(_path(name), table.round(4).to_csv(index=False, lineterminator="\n"))


def _path(name: str) -> Path:
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name):
        raise ValueError(f"{name!r} is no name of a table: letters, digits, _ and -, without a folder or an ending")
    return TABLES / f"{name}.csv"


def fill_tables(modules: Iterable[str], load: Load, write: Write, notes: Path | None = None) -> None:
    """Have modules of `helpers` write their tables, one after the other, and print what each took.

    Args:
        notes: a folder in which a module that is through leaves a note. With today's code it is then passed over, so
            that a stopped run goes on with the module that it was stopped in.
    """
    code = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(TABLES.parent.rglob("*.py")))).hexdigest()
    for name in modules:
        note = notes and notes / f"{name}.json"
        if note and note.is_file() and json.loads(note.read_text())["code"] == code:
            print(f"{name} was through before")
            continue
        begin = time.monotonic()
        import_module(f"helpers.{name}").write_tables(load, write)
        seconds = round(time.monotonic() - begin)
        print(f"{name}: {seconds / 60:.1f} minutes")
        if note:
            write_whole(note, json.dumps({"code": code, "seconds": seconds}))


def write_parts(write: Write, name: str, parts: Iterable[pd.DataFrame]) -> None:
    """A table that grows part by part, written after each one, so that a stopped run leaves what it has."""
    done: list[pd.DataFrame] = []
    for part in parts:
        done.append(part)
        write(name, pd.concat(done, ignore_index=True))


ASKED = (  # the relations of edits and traces in the first Atlas
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


@checked
def percent_table(estimates: Mapping[Hashable, Mapping[Hashable, Estimate]]) -> pd.DataFrame:
    """Shares with their intervals as text, in percent: ``97 [95, 99]``; one row for each key of the outer mapping.

    A dash stands for a share of nothing.
    """

    def text(e: Estimate) -> str:
        if e != e:
            return "-"
        return f"{round(100 * e)} [{round(100 * e.low)},\N{NO-BREAK SPACE}{round(100 * e.high)}]"

    rows = [{column: text(e) for column, e in row.items()} for row in estimates.values()]
    keys = list(estimates)
    index = pd.MultiIndex.from_tuples(keys) if keys and isinstance(keys[0], tuple) else keys
    return pd.DataFrame(rows, index=index)
