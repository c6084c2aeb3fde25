"""The build's own hooks: pages load only what they use."""

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
