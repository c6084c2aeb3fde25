"""The command's arguments, what it says, and what it says when something is wrong."""

import pandas as pd
import pytest
from small_sweeps import command

from helpers.__main__ import parser
from helpers.circuits.graph import Circuit
from helpers.studies import tables as table_files
from helpers.studies.atlas_of_circuits import sweep_command, sweep_store
from helpers.studies.atlas_of_circuits.sweep_command import plan_of
from helpers.studies.atlas_of_circuits.sweep_run import Swept


def called(*words):
    arguments = parser().parse_args([*command(), "--workers", "1", *words])
    return arguments.run(arguments)


def test_a_sweep_can_be_kept_as_a_table(tmp_path, monkeypatch):
    for module in (sweep_command, sweep_store, table_files):
        monkeypatch.setattr(module, "TABLES", tmp_path / "tables")
    called("--relations", "plural", "--out", str(tmp_path / "out"), "--table", "mine")
    kept = sweep_store.read_sweep("mine")
    (file,) = (tmp_path / "out" / "circuits").iterdir()
    assert kept.circuit[0] == Circuit.load(file) and kept.key[0] == file.stem


def test_the_arguments_make_the_plan():
    words = "sweep --model atlas,atlas@400 --relations bias --methods acdc,eap_ig --seeds 3 --keep 0.9 --tau 0.2,0.4"
    plan = plan_of(parser().parse_args(words.split()))
    assert plan.models == ["atlas", "atlas@400"] and plan.methods == ["acdc", "eap_ig"] and plan.seeds == 3
    assert {r.kind for r in plan.relations} == {"bias"} and plan.pairs == (20, 40)
    assert plan.options["keep"] == [0.9] and plan.options["taus"] == [0.2, 0.4] and plan.options["shares"] == [0.03]


def test_a_sweep_says_what_it_did(tmp_path, capsys):
    called("--relations", "plural", "--out", str(tmp_path))
    assert capsys.readouterr().out.startswith("1 circuits computed, 0 were there, 0 can't be asked for.")
    assert len(pd.read_csv(tmp_path / "circuits.csv")) == 1
    called("--relations", "plural,person_employer_seat", "--test-pairs", "9999", "--out", str(tmp_path))
    assert "0 circuits computed, 0 were there, 2 can't be asked for." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--relations", "capital"], "unknown relation 'capital'"),
        (["--methods", "magic"], "unknown method 'magic'; choose from eap"),
        (["--model", "atlas@3", "--relations", "plural"], "unknown model 'atlas@3'"),
        (["--ablation", "noise"], "unknown ablation 'noise'"),
        (["--seeds", "0"], "at least one of each"),
    ],
)
def test_wrong_arguments_end_with_a_sentence(words, says, tmp_path):
    with pytest.raises(SystemExit, match=says):
        called(*words, "--out", str(tmp_path))


def test_failures_end_with_an_error(monkeypatch, tmp_path):
    failed = Swept(pd.DataFrame(), 1, 0, 0, ("atlas plural: RuntimeError: no memory",), ())
    monkeypatch.setattr(sweep_command, "sweep", lambda *a, **k: failed)
    with pytest.raises(SystemExit, match="1 circuits failed; .*: no memory"):
        called("--out", str(tmp_path))


def test_an_interrupted_sweep_says_where_its_results_are(monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_command, "sweep", interrupted)
    with pytest.raises(SystemExit, match="Stopped. Finished circuits are in"):
        called("--out", str(tmp_path))
