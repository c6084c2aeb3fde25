"""The chapters on another model than Atlas: a finding that isn't so there is reported, and the run goes on.

The asserts of a chapter pin what its text says of Atlas. Another model may differ without anything being broken, so on
another model each assert becomes a report. The notebooks need no second version of any cell for that.
"""

from __future__ import annotations

import ast
import html
import os

from IPython import get_ipython
from IPython.display import HTML, display

WRITTEN_FOR = "atlas"
REPORT = "_report_finding"
# What an assert may raise on a model that lacks a head, a layer or an answer which the text names.
OTHERWISE = "(AssertionError, LookupError, ValueError, AttributeError)"
BANNER = """<p class="kc-other-model"><b>This chapter was written about Atlas and now runs on {model}.</b>
What the cells compute is about {model}; sentences that name a head, a layer or a number speak of Atlas.
Where {model} differs from a finding of the text, a line below the cell says so.
Sections marked <i>Atlas only</i> use Atlas in any case;
elsewhere, <i>Atlas</i> and <i>seed 0</i> in a figure or table stand for {model}.</p>"""


class ReportAsserts(ast.NodeTransformer):
    """Turns ``assert x`` into ``try: assert x`` with a report where it fails."""

    def visit_Assert(self, node: ast.Assert) -> ast.Try:
        """One assert; its source goes into the report."""
        source = f"try: pass\nexcept {OTHERWISE}: {REPORT}({ast.unparse(node.test)!r})"
        guarded = ast.parse(source).body[0]
        guarded.body = [node]
        return ast.fix_missing_locations(ast.copy_location(guarded, node))


def report(model: str, test: str) -> None:
    """Say that a finding of the text isn't one of this model."""
    model, test = html.escape(model), html.escape(test)
    display(HTML(f'<p class="kc-other-model">Otherwise than in Atlas, {model} doesn\'t have <code>{test}</code></p>'))


def use_model(model: str = WRITTEN_FOR) -> str:
    """The model that a chapter is to use, prepared for: ``$KC_MODEL`` if that is set, else ``model``.

    On another one than Atlas, findings that differ are reported instead of stopping the chapter (`set_model`).
    """
    chosen = os.environ.get("KC_MODEL") or model
    set_model(chosen)
    return chosen


def set_model(model: str, *, banner: bool = True) -> None:
    """Prepare a chapter for a model: nothing for Atlas; a banner, and reports instead of failures, for any other.

    ``banner=False`` is for a chapter that says by itself what it runs on. Calling it again, with another model or the
    same, replaces what the call before did.
    """
    shell = get_ipython()
    if shell is None:
        return
    shell.ast_transformers[:] = [t for t in shell.ast_transformers if not isinstance(t, ReportAsserts)]
    if model == WRITTEN_FOR:
        return
    shell.ast_transformers.append(ReportAsserts())
    shell.user_ns[REPORT] = lambda test: report(model, test)
    if banner:
        display(HTML(BANNER.format(model=html.escape(model))))
