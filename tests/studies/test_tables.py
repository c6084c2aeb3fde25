"""Tables come back as they were written, rounded, and grow part by part."""

import os
from unittest.mock import Mock

import pandas as pd
import pytest

from helpers.studies import tables as table_files
from helpers.studies.tables import read_table, write_parts, write_table


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
