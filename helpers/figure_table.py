"""The numbers of a plotly figure as an HTML table, for readers who cannot see it or want to check."""

import html
import re
from base64 import b64decode, b64encode
from typing import Any

import numpy as np

TABLE_ROWS = 60
TABLE_COLUMNS = 40


def _values(value: Any) -> np.ndarray | None:
    """Return an array of a figure as plotly stores it (a list, a tuple, or base64 of its bytes)."""
    if isinstance(value, dict) and "bdata" in value:
        flat = np.frombuffer(b64decode(value["bdata"]), dtype=np.dtype(value["dtype"]))
        shape = [int(n) for n in str(value.get("shape", flat.size)).split(",")]
        return flat.reshape(shape)
    if isinstance(value, list | tuple | np.ndarray):
        try:
            return np.asarray(value)
        except ValueError:  # rows of unequal length
            return None
    return None


def shorten(trace: dict[str, Any]) -> None:
    """Store a trace's arrays in single precision: half the size, and no difference to the eye."""
    for key in ("x", "y", "z"):
        stored = trace.get(key)
        if isinstance(stored, dict) and stored.get("dtype") == "f8":
            array = _values(stored).astype(np.float32)
            trace[key] = {**stored, "dtype": "f4", "bdata": b64encode(array.tobytes()).decode()}


def _cell(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return html.escape(str(value))


def _rows(trace: dict[str, Any], name: str) -> list[list[Any]]:
    """Return a trace's numbers as rows that begin with its name; none if it has no table form."""
    x, y, z = (_values(trace.get(key)) for key in "xyz")
    if z is not None and z.ndim == 2 and z.shape[1] <= TABLE_COLUMNS:
        columns = x if x is not None and len(x) == z.shape[1] else np.arange(z.shape[1])
        labels = y if y is not None and len(y) == z.shape[0] else np.arange(z.shape[0])
        return [["", *columns], *([label, *row] for label, row in zip(labels, z, strict=True))]
    if z is None and x is not None and y is not None and x.ndim == y.ndim == 1:
        return [[name, a, b] for a, b in zip(x, y, strict=False)]
    return []


def _all_rows(fig_dict: dict[str, Any]) -> list[list[Any]]:
    """Return the rows of all traces, below a head that names the axes."""
    layout, rows = fig_dict["layout"], []
    matrix = any("z" in trace for trace in fig_dict.get("data", []))
    if not matrix:
        axes = [((layout.get(key) or {}).get("title") or {}).get("text") or key[0] for key in ("xaxis", "yaxis")]
        rows.append(["", *(re.sub("<[^>]*>", " ", axis) for axis in axes)])
    for number, trace in enumerate(fig_dict.get("data", []), 1):
        rows += _rows(trace, trace.get("name") or (str(number) if len(fig_dict["data"]) > 1 else ""))
    return rows


def numbers_table(fig_dict: dict[str, Any]) -> str:
    """Return the figure's numbers as a folded HTML table, or nothing if they have no table form.

    A figure whose coordinates mean nothing brings its own rows, the first one as their head, in ``layout.meta.table``.
    """
    rows = (fig_dict["layout"].get("meta") or {}).get("table") or _all_rows(fig_dict)
    if len(rows) < 2:
        return ""
    lines = ["".join(f"<td>{_cell(value)}</td>" for value in row) for row in rows[: TABLE_ROWS + 1]]
    head = lines[0].replace("<td>", '<th scope="col">').replace("</td>", "</th>")
    body = "".join(f"<tr>{line}</tr>" for line in lines[1:])
    left = len(rows) - len(lines)
    more = f"<p>{left} more rows are in the figure.</p>" if left else ""
    return (
        '<details class="kc-data"><summary>The numbers</summary>'
        '<div tabindex="0" role="region" aria-label="The numbers of this figure">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}</details>"
    )
