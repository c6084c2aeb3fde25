"""The build's own hooks: results are never stale, and pages load only what they use."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def assets() -> ModuleType:
    spec = importlib.util.spec_from_file_location("book_assets", ROOT / "book" / "_ext" / "book_assets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("requirements.txt", "helpers/graph.py", "helpers/facts/a/b.json", "helpers/weights/m/m.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    "name", ["requirements.txt", "helpers/graph.py", "helpers/facts/a/b.json", "helpers/weights/m/m.safetensors"]
)
def test_a_change_of_any_input_runs_the_chapters_again(name: str, tree: Path, assets: ModuleType):
    before = assets.inputs_digest(tree)
    assert assets.inputs_digest(tree) == before
    (tree / name).write_text("changed")
    assert assets.inputs_digest(tree) != before


def test_new_and_renamed_inputs_count_and_others_do_not(tree: Path, assets: ModuleType, monkeypatch):
    before = assets.inputs_digest(tree)
    (tree / "helpers" / "__pycache__").mkdir()
    (tree / "helpers" / "__pycache__" / "graph.py").write_text("compiled")
    (tree / "README.md").write_text("prose")
    assert assets.inputs_digest(tree) == before
    (tree / "helpers" / "graph.py").rename(tree / "helpers" / "edges.py")
    assert assets.inputs_digest(tree) != before
    (tree / "helpers" / "edges.py").rename(tree / "helpers" / "graph.py")
    monkeypatch.setenv("KC_MODEL", "gpt2")
    assert assets.inputs_digest(tree) != before


def test_old_results_are_cleared_away(tree: Path, assets: ModuleType, monkeypatch):
    monkeypatch.setattr(assets, "ROOT", tree)
    config = SimpleNamespace()
    for number in range(assets.CACHES_KEPT + 2):
        (tree / "helpers" / "graph.py").write_text(str(number))
        assets.key_cache_on_inputs(None, config)
    caches = list((tree / "_build" / ".jupyter_cache").iterdir())
    assert len(caches) == assets.CACHES_KEPT and Path(config.nb_execution_cache_path) in caches


def scripts_for(body: str, assets: ModuleType) -> list[str]:
    added = []
    app = SimpleNamespace(add_js_file=added.append)
    assets.choose_scripts(app, "page", "page.html", {"body": body, "script_files": []}, None)
    return added


def test_a_page_loads_only_the_scripts_of_its_figures(assets: ModuleType):
    assert scripts_for("<p>prose</p>", assets) == []
    plotly = scripts_for('<div class="plotly-graph-div">', assets)
    assert plotly == ["vendor/plotly/plotly-cartesian.min.js", "sliders.js", "figures.js"]
    assert scripts_for('<div id="circuits-vis-1">', assets) == ["vendor/circuitsvis.js"]
    assert scripts_for('<div class="kc-map" role="group">', assets) == ["map.js"]
    for uri in [*plotly, "map.js"]:
        assert (ROOT / "book" / "_static" / uri).is_file()


@pytest.mark.parametrize(
    "body, loads", [("<p>prose</p>", False), ('<span class="math notranslate nohighlight">', True)]
)
def test_only_a_page_with_formulas_loads_mathjax(body: str, loads: bool, assets: ModuleType):
    mathjax = SimpleNamespace(filename="_static/vendor/mathjax/tex-chtml-full.js", attributes={})
    context = {"body": body, "script_files": [mathjax]}
    assets.choose_scripts(SimpleNamespace(add_js_file=print), "page", "page.html", context, None)
    assert (context["script_files"] == [mathjax]) == loads


def test_the_icon_script_is_recognised(assets: ModuleType):
    icons = '\n  <script defer src="../_static/scripts/fontawesome.js?digest=1"></script>'
    other = '\n<script src="other.js"></script>'
    assert assets.FONTAWESOME_JS.sub("", f"a{icons}{other}") == f"a{other}"
