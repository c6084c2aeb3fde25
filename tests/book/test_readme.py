"""The README's Python runs as it stands."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_examples_run():
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    assert len(blocks) >= 2
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102
    edges = int(re.search(r"# (\d+) of ([\d,]+) edges", TEXT)[1])
    graph = names["circuit"].graph
    assert names["circuit"].n_edges == edges and f"{graph.n_edges:,}" in TEXT
    assert names["helpers"].faithfulness(names["model"], names["circuit"], names["test"]) > 0.9
