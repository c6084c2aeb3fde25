"""Tables that a reader sorts by clicking on a column's head: in the book without a kernel, in Jupyter and in Colab.

The script (2.7 kB, see ``helpers/scripts``) stands in the output itself, so nothing is loaded from anywhere.
"""

from __future__ import annotations

import html
from pathlib import Path

import pandas as pd

SCRIPTS = Path(__file__).parent / "scripts"
# The script listens to the whole page: a second copy would turn every click round.
ONCE = "if(!window.kcSortable){{window.kcSortable=true;{sort}\n{keys};window.kcKeys=enhanceSortableAccessibility}}"
EACH = 'window.kcKeys(document.querySelectorAll("table.sortable"))'


class SortableTable:
    """A table as HTML, with a caption; an object that a notebook shows by itself, or `display.show` with its text.

    Args:
        table: its index isn't shown.
        caption: what the rows are, and that a click on a head sorts them.
        digits: after the point, of numbers that aren't whole.
    """

    def __init__(self, table: pd.DataFrame, caption: str, digits: int = 2) -> None:
        self.table, self.caption, self.digits = table, caption, digits

    def _repr_html_(self) -> str:
        body = self.table.to_html(
            index=False, border=0, classes="sortable", float_format=f"%.{self.digits}f", na_rep=""
        )
        named = f"<caption>{html.escape(self.caption)}</caption>"
        body = body.replace("<thead>", named + "<thead>", 1).replace("<th>", '<th scope="col" style="cursor:pointer">')
        sort, keys = ((SCRIPTS / f"sortable.{name}min.js").read_text(encoding="utf-8") for name in ("", "a11y."))
        box = 'style="max-height:28em;overflow:auto" tabindex="0" role="region" aria-label="Sortable table"'
        return f"<div {box}>{body}</div><script>{ONCE.format(sort=sort, keys=keys)};{EACH}</script>"
