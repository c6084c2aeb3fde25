"""The command's arguments, what it says, and what it says when something is wrong."""

import pandas as pd
import pytest
from small_sweeps import command

from helpers.__main__ import parser, parts
from helpers.circuits.circuit import Circuit
from helpers.studies import tables as table_files
from helpers.studies.atlas_of_circuits import jobs, run
from helpers.studies.atlas_of_circuits.run import Swept


def called(*words):
    arguments = parser().parse_args([*command(), "--workers", "1", *words])
    return arguments.run(arguments)


def test_a_sweep_can_be_kept_as_a_table(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "TABLES", tmp_path / "tables")
    words = "--relations", "plural", "--out", str(tmp_path / "out"), "--table", "mine"
    called(*words)
    kept = run.read_sweep("mine")
    (file,) = (tmp_path / "out" / "circuits").iterdir()
    assert kept.circuit[0] == Circuit.load(file) and kept.key[0] == file.stem
    with pytest.raises(SystemExit, match="also has circuits of earlier weights or arguments: give an empty --out"):
        called(*words, "--pairs", "5")
    assert len(run.read_sweep("mine")) == 1


def test_the_arguments_make_the_plan(monkeypatch, tmp_path):
    asked = {}

    def plan(models, relations, methods, sizes, **options):
        asked.update(options, models=models, relations=relations, methods=methods, sizes=sizes)
        return [], [dict.fromkeys(run.ORDER, "") | {"status": "skipped", "reason": "too few"}]

    monkeypatch.setattr(jobs, "plan", plan)
    words = "sweep --model atlas,atlas@400 --relations bias --methods acdc,eap_ig --seeds 3 --keep 0.9 --tau 0.2,0.4"
    arguments = parser().parse_args([*words.split(), "--workers", "1", "--out", str(tmp_path)])
    arguments.run(arguments)
    assert asked["models"] == ["atlas", "atlas@400"] and asked["methods"] == ["acdc", "eap_ig"] and asked["seeds"] == 3
    assert {r.kind for r in asked["relations"]} == {"bias"} and asked["pairs"] == (20, 40)
    assert asked["sizes"] == {"keep": [0.9], "tau": [0.2, 0.4], "share": [0.03]}


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
        (["--relations", "plural", "--workers", "0"], "at least one worker, not 0"),
        (["--relations", "none.json"], "none.json is no file"),
        (["--sizes", "nan"], "more than 0, and a share at most 1, not share nan"),
        (["--sizes", "1.01"], "not share 1.01"),
        (["--methods", "acdc", "--tau", "inf"], "not tau inf"),
        (["--out", __file__], "is a file; give a folder"),
    ],
)
def test_wrong_arguments_end_with_a_sentence(words, says, tmp_path, capsys):
    with pytest.raises(SystemExit, match=says) as end:
        called("--out", str(tmp_path), *words)
    assert end.value.code == 2 and str(end.value) in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--sizes", ","], ["--relations", ""], ["--models", " , "], ["--tau", "a,b"]])
def test_an_empty_list_is_refused(words, capsys):
    with pytest.raises(SystemExit) as end:
        called(*words)
    assert end.value.code == 2 and "list" in capsys.readouterr().err.splitlines()[-1]


def test_each_method_needs_a_size(atlas):
    with pytest.raises(ValueError, match=r"eap_ig has no size: a sweep needs a size \(share or keep\) for each method"):
        jobs.plan(["atlas"], ["any"], ["acdc", "eap_ig"], {"tau": [0.1]})


def test_a_name_with_a_comma_is_one_name(tmp_path):
    (tmp_path / "a,b").mkdir()
    assert parts(str(tmp_path / "a,b")) == [str(tmp_path / "a,b")] and parts("a, b,") == ["a", "b"]


def test_failures_end_with_an_error(monkeypatch, tmp_path):
    row = {"model": "atlas", "relation": "plural", "method": "eap", "size": "share 0.03", "seed": 0}
    failed = pd.DataFrame([row | {"status": "failed", "reason": "RuntimeError: no memory"}])
    monkeypatch.setattr(run, "sweep", lambda *a, **k: Swept(failed, 1, 0, []))
    with pytest.raises(SystemExit, match="1 circuits failed; .* atlas plural eap .*: no memory"):
        called("--relations", "plural", "--out", str(tmp_path))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (KeyboardInterrupt(), "Stopped. Finished circuits are in .*; the same command goes on"),
        (OSError(28, "No space left on device"), "No space left on device. Finished circuits are in"),
    ],
)
def test_a_stopped_sweep_says_where_its_results_are(monkeypatch, tmp_path, error, says):
    def stopped(*_, **__):
        raise error

    monkeypatch.setattr(run, "sweep", stopped)
    with pytest.raises(SystemExit, match=says):
        called("--relations", "plural", "--out", str(tmp_path))
