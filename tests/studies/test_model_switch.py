"""On Atlas an assert stops a cell; on another model it reports, and what follows it runs."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from helpers.studies import model_switch

CELL = "x = 1\nassert x == 2, 'two'\nx = 3\ndef f(table):\n    assert table['missing']\n    return 7\ny = f({})"


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, as HTML."""
    outputs = []
    monkeypatch.setattr(model_switch, "display", lambda output: outputs.append(output.data))
    return outputs


@pytest.fixture
def shell(monkeypatch, shown):
    shell = InteractiveShell()
    monkeypatch.setattr(model_switch, "get_ipython", lambda: shell)
    return shell


def test_on_atlas_a_finding_that_fails_stops_the_cell(shell, shown):
    model_switch.set_model("atlas")
    result = shell.run_cell(CELL)
    assert isinstance(result.error_in_exec, AssertionError) and shell.user_ns["x"] == 1 and not shown


def test_on_another_model_it_is_reported_and_the_rest_runs(shell, shown):
    model_switch.set_model("<gpt2>")
    result = shell.run_cell(CELL)
    assert result.success and shell.user_ns["x"] == 3 and shell.user_ns["y"] == 7
    banner, first, second = shown
    assert "now runs on &lt;gpt2&gt;" in banner and "<gpt2>" not in "".join(shown)
    assert "<code>x == 2</code>" in first and "table[&#x27;missing&#x27;]" in second


def test_a_finding_that_holds_says_nothing(shell, shown):
    model_switch.set_model("gpt2")
    assert shell.run_cell("assert 1 + 1 == 2").success and len(shown) == 1


def test_another_error_still_stops(shell):
    model_switch.set_model("gpt2")
    assert isinstance(shell.run_cell("{}['missing']").error_in_exec, KeyError)


def test_going_back_to_atlas_brings_the_asserts_back(shell):
    for model in ("gpt2", "gpt2", "atlas"):
        model_switch.set_model(model)
    assert isinstance(shell.run_cell("assert False").error_in_exec, AssertionError) and not shell.ast_transformers


def test_setup_takes_the_constant_unless_the_environment_names_a_model(monkeypatch):
    monkeypatch.delenv("KC_MODEL", raising=False)
    assert model_switch.use_model("atlas-seed1") == "atlas-seed1"
    monkeypatch.setenv("KC_MODEL", "gpt2")
    assert model_switch.use_model("atlas") == "gpt2"
