"""Tables come back as they were written, rounded, and grow part by part."""

import os
import sys
from functools import partial
from unittest.mock import Mock

import pandas as pd
import pytest

from helpers.studies import tables as table_files
from helpers.studies.tables import fill_tables, read_table, write_parts, write_table


def test_a_table_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "TABLES", tmp_path / "new")
    table = pd.DataFrame({"name": ["a", "b"], "value": [0.123456, 2.0]})
    path = write_table("numbers", table)
    assert path.read_bytes() == b"name,value\na,0.1235\nb,2.0\n"
    assert read_table("numbers").value.tolist() == [0.1235, 2.0]
    with pytest.raises(FileNotFoundError, match="no table 'letters'; there are numbers"):
        read_table("letters")
    for name in ("../numbers", "numbers.csv", "", None):
        with pytest.raises(ValueError, match="is no name of a table"):
            read_table(name)
        with pytest.raises(ValueError, match="is no name of a table"):
            write_table(name, table)
    monkeypatch.setattr(os, "replace", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="numbers.csv can't be written: No space left on device"):
        write_table("numbers", table.head(1))
    assert len(read_table("numbers")) == 2 and [p.name for p in path.parent.iterdir()] == ["numbers.csv"]


def test_a_stopped_run_leaves_the_parts_that_are_done():
    written = []

    def parts():
        yield pd.DataFrame({"n": [1]})
        yield pd.DataFrame({"n": [2]})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parts(lambda name, table: written.append((name, table.n.tolist())), "counts", parts())
    assert written == [("counts", [1]), ("counts", [1, 2])]


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(table_files, "TABLES", tmp_path / "tables")
    done, notes, code = [], tmp_path / "notes", tmp_path / "some.py"
    code.write_text("1")

    def stopped(load, write):
        raise KeyboardInterrupt

    first, second = Mock(write_tables=lambda load, write: done.append("first")), Mock(write_tables=stopped)
    monkeypatch.setitem(sys.modules, "helpers.first", first)
    monkeypatch.setitem(sys.modules, "helpers.second", second)
    fill = partial(fill_tables, ["first", "second"], None, None)
    with pytest.raises(KeyboardInterrupt):
        fill(notes)
    second.write_tables = lambda load, write: done.append("second")
    fill(notes)
    assert done == ["first", "second"] and "first was through before" in capsys.readouterr().out
    fill(notes)
    assert len(done) == 2, "all were through"
    fill(None)
    code.write_text("2")
    fill(notes)
    assert done[2:] == ["first", "second"] * 2, "asked for, and with other code"
