"""The page that explains the colours: swatches from the library's own list, a sentence for each.

``{colour-meanings}`` holds a line ``name: what it stands for`` for each entry of ``display.COLORS``, groups being
divided by lines ``# heading``. The build stops if a name is missing or unknown: prose and figures can't drift apart.
"""

import ast
import html
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

DISPLAY = Path("helpers") / "figures" / "display.py"


def colors_of(source):
    """Return the names and hex values of ``COLORS`` in a module's source, without importing it."""
    for node in ast.parse(source).body:
        if (
            isinstance(node, ast.Assign)
            and getattr(node.targets[0], "id", "") == "COLORS"
        ):
            return ast.literal_eval(node.value.args[0])
    raise ValueError("no COLORS in the source")


def meanings_of(lines, colors):
    """Return ``{heading: {name: sentence}}``.

    Raises:
        ValueError: if names and colours differ, or a line is neither a heading nor "name: sentence".
    """
    groups, named, heading = {}, [], ""
    for line in filter(None, map(str.strip, lines)):
        if line.startswith("#"):
            heading = line.lstrip("# ")
            continue
        match = re.fullmatch(r"(\w+): (.+)", line)
        if match is None:
            raise ValueError(f"neither '# heading' nor 'name: sentence': {line}")
        groups.setdefault(heading, {})[match[1]] = match[2]
        named.append(match[1])
    if sorted(named) != sorted(colors):
        wrong = sorted(set(named) ^ set(colors)) or "a name stands twice"
        raise ValueError(f"explained colours and display.COLORS differ: {wrong}")
    return groups


def draw(groups, colors):
    """Return the swatches and sentences as HTML."""
    parts = []
    for heading, group in groups.items():
        rows = "".join(
            f'<li><span class="kc-swatch" data-colour="{name}" style="background: {colors[name]}"></span>'
            f"<span><strong>{name}</strong>: {html.escape(told)}</span></li>"
            for name, told in group.items()
        )
        title = f'<p class="kc-title">{html.escape(heading)}</p>' if heading else ""
        parts.append(f"<div>{title}<ul>{rows}</ul></div>")
    return f'<div class="kc-colours">{"".join(parts)}</div>'


class ColourMeanings(SphinxDirective):
    """Puts the swatches onto a page."""

    has_content = True

    def run(self):
        """Return the swatches as raw HTML."""
        path = Path(self.env.srcdir) / DISPLAY
        self.env.note_dependency(str(path))
        colors = colors_of(path.read_text(encoding="utf-8"))
        try:
            groups = meanings_of(self.content, colors)
        except ValueError as error:
            raise self.error(str(error)) from error
        return [nodes.raw("", draw(groups, colors), format="html")]


def setup(app):
    """Add the directive; called by Sphinx."""
    app.add_directive("colour-meanings", ColourMeanings)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
