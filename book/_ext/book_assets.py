"""Sphinx hooks: what notebooks see while the book is built, and what a page loads.

Every script comes from ``book/_static`` or from an installed package, none from elsewhere.
"""

import os
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from myst_nb.core.read import create_nb_reader
from sphinx.util import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _tools import execution

logger = logging.getLogger(__name__)

# A page loads a script (or a style sheet) only if its body holds the mark.
SCRIPTS = {
    "plotly-graph-div": [
        "vendor/plotly/plotly-cartesian.min.js",
        "sliders.js",
        "figures.js",
    ],
    'id="circuits-vis-': ["vendor/circuitsvis.js"],
    'class="kc-map"': ["map.js"],
    'id="kc-explorer"': [
        "explorer/explorer.css",
        "vendor/cytoscape/cytoscape.min.js",
        "explorer/model.js",
        "explorer/state.js",
        "explorer/picture.js",
        "explorer/panels.js",
        "explorer/explorer.js",
    ],
}
MATHS = "math notranslate"
FONTAWESOME_JS = re.compile(
    r'\s*<script[^>]* src="[^"]*scripts/fontawesome\.js[^"]*"></script>'
)

# The theme chooses light or dark in a deferred script; this does before anything is seen.
EARLY_THEME = """
const page = document.documentElement.dataset;
page.mode = page.mode || "auto";
if (page.theme !== "light" && page.theme !== "dark")
  page.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
"""


def place_of_cache(app, config):
    """Keep executed pages where `make test` puts them, too."""
    config.nb_execution_cache_path = str(execution.CACHE)


def execute_pages(app):
    """Execute the pages whose outputs aren't in the cache, side by side, before any is read."""
    if app.config.nb_execution_mode != "cache":
        return
    pages = {}
    for name in sorted(app.env.found_docs):
        path = Path(app.env.doc2path(name))
        text = path.read_text(encoding="utf-8")
        reader = create_nb_reader(
            str(path), app.env.myst_config, app.env.mystnb_config, text
        )
        if reader is not None:
            pages[path] = reader.read(text)
    execution.execute(pages, app.config.nb_execution_timeout, logger.info)


def show_repository(app, config):
    """Offer a link to the repository as soon as the book has a public address."""
    options = config.html_theme_options
    public = (options.get("repository_url") or "").startswith("https://")
    options["use_repository_button"] = public
    if not public:
        options["repository_url"] = ""


def copy_circuitsvis(app):
    """Serve circuitsvis' script from the installed package: one copy for all pages."""
    if app.builder.format != "html":
        return
    source = Path(find_spec("circuitsvis").origin).parent / "dist" / "cdn" / "iife.js"
    target = Path(app.outdir) / "_static" / "vendor" / "circuitsvis.js"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def choose_scripts(app, pagename, templatename, context, doctree):
    """Add the scripts that this page's figures need; drop those that nothing here uses."""
    body = context.get("body") or ""
    for mark, uris in SCRIPTS.items():
        if mark in body:
            for uri in uris:
                (app.add_css_file if uri.endswith(".css") else app.add_js_file)(uri)
    seen, kept = set(), []
    for script in context.get("script_files", []):
        code = getattr(script, "attributes", {}).get("body")
        if code is not None:
            # Sphinx 7.4 writes some inline scripts twice: an error for the browser.
            if code in seen or "THEBE_JS_URL" in code:
                continue
            seen.add(code)
        elif "sphinx-thebe.js" in str(getattr(script, "filename", "")):
            continue
        elif "mathjax" in str(getattr(script, "filename", "")) and MATHS not in body:
            continue
        kept.append(script)
    context["script_files"][:] = kept


def drop_fontawesome_script(app, error):
    """Remove a script of 1.5 MB; the theme's web font draws the same icons."""
    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        lighter = FONTAWESOME_JS.sub("", text)
        if lighter != text:
            page.write_text(lighter, encoding="utf-8")
    (Path(app.outdir) / "_static" / "scripts" / "fontawesome.js").unlink(
        missing_ok=True
    )


def setup(app):
    """Connect the hooks; called by Sphinx."""
    os.environ.update(execution.KERNEL)
    app.add_js_file(None, body=f"{{{EARLY_THEME}}}", priority=1)
    app.add_js_file("accessibility.js")
    app.connect("config-inited", place_of_cache, priority=100)
    app.connect("config-inited", show_repository, priority=100)
    app.connect("builder-inited", copy_circuitsvis)
    app.connect("env-before-read-docs", lambda app, env, docs: execute_pages(app))
    app.connect("html-page-context", choose_scripts, priority=900)
    app.connect("build-finished", drop_fontawesome_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
