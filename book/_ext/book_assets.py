"""Sphinx hooks: what notebooks see while the book is built, and what a page loads.

Every script comes from ``book/_static`` or from an installed package, none from elsewhere.
"""

import hashlib
import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

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

# What the outputs of a chapter depend on besides its own code.
INPUTS = (
    "requirements.txt",
    "helpers/**/*.py",
    "helpers/facts/**/*",
    "helpers/tables/*",
    "helpers/weights/**/*",
)
CACHES_KEPT = 3


def inputs_digest(root):
    """Return a digest of all files that the chapters' outputs depend on."""
    digest = hashlib.sha256(os.environ.get("KC_MODEL", "").encode())
    files = {
        path for pattern in INPUTS for path in root.glob(pattern) if path.is_file()
    }
    for path in sorted(path for path in files if "__pycache__" not in path.parts):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def key_cache_on_inputs(app, config):
    """Execute chapters again when helpers, facts or weights change.

    The cache by itself sees only the chapters' own code.
    """
    caches = ROOT / "_build" / ".jupyter_cache"
    current = caches / inputs_digest(ROOT)
    current.mkdir(parents=True, exist_ok=True)
    os.utime(current)
    by_age = sorted(
        (d for d in caches.iterdir() if d.is_dir()), key=lambda d: d.stat().st_mtime
    )
    for old in by_age[:-CACHES_KEPT]:
        shutil.rmtree(old)
    config.nb_execution_cache_path = str(current)


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
    # The kernels that execute the chapters inherit these.
    os.environ["BOOK_BUILD"] = "1"
    os.environ["TQDM_DISABLE"] = "1"  # a finished progress bar tells a reader nothing
    app.add_js_file(None, body=f"{{{EARLY_THEME}}}", priority=1)
    app.add_js_file("accessibility.js")
    app.connect("config-inited", key_cache_on_inputs, priority=100)
    app.connect("config-inited", show_repository, priority=100)
    app.connect("builder-inited", copy_circuitsvis)
    app.connect("html-page-context", choose_scripts, priority=900)
    app.connect("build-finished", drop_fontawesome_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
