"""The data of the book's explorer: for each model an index, and a script for each set of questions.

``make explorer`` writes them to ``book/_static/explorer/data/MODEL``; a page loads what it is asked for. They are
scripts and no JSON, because a page opened from disk may load scripts and nothing else. What is in an entry:
`_tools.explorer_circuits` and `_tools.explorer_prompts`; which there are: `_tools.explorer_atlas` and
`_tools.explorer_smollm2`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm.auto import tqdm

from _tools import ToolError
from _tools.explorer_circuits import ONE_SEARCH, SIZES, Halves, searched, yardstick
from _tools.explorer_prompts import KINDS, prompt_views, said_words, some_prompts
from helpers.circuits.graph import Graph
from helpers.figures.display import COLORS
from helpers.files import write_whole
from helpers.models.run import stop_names

DATA = Path("book") / "_static" / "explorer" / "data"
KEPT = Path("runs") / "explorer"  # what was made until it is whole
CALL = "kcExplorer.{}({});\n"
Entry = dict[str, object]


@dataclass(frozen=True)
class Job:
    """A part of a model's data that is computed at once.

    ``make`` gives what the index says of each entry, the entry, and the couple that it completes, if any.
    """

    name: str
    make: Callable[[], Sequence[tuple[Entry, Entry, dict | None]]]


@dataclass(frozen=True)
class Source:
    """A model of the explorer: its name in addresses and on the page, its jobs, and the size that is shown first."""

    name: str
    label: str
    jobs: Callable[[object], Iterator[Job]]
    size: int


def questions(
    model,
    halves: Halves,
    searches: Sequence[tuple] = ONE_SEARCH,
    keep: int = 0,
    prompts: int = 1,
    sizes: Sequence[int] = SIZES,
) -> Entry:
    """What every entry holds: searches, words, and views of some prompts.

    Args:
        searches: methods and ablations.
        keep: a size that joins the others in the first search.
        prompts: how many are shown.
    """
    words, views = prompt_views(model, halves.train, some_prompts(halves.train, prompts))
    found: Entry = {}
    for ablation in dict.fromkeys(ablation for _, ablation in searches):
        first = ablation == searches[0][1]
        joined = sorted({*sizes, keep} - {0}) if first else sizes
        by = yardstick(model, halves.test, ablation, joined)
        for method in (method for method, other in searches if other == ablation):
            own = joined if first and method == searches[0][0] else sizes
            found[f"{method}/{ablation}"] = searched(model, halves, method, by, own)
    return {"searches": found, "words": said_words(model, halves.train), "vocabulary": words, "prompts": views}


def about(ident: str, group: str, label: str, entry: Entry, heads_of: str) -> Entry:
    """What the index says of an entry: everything that a page needs before it loads it."""
    sizes = ("sizes", "keep")
    searches = {key: {n: found[n] for n in sizes if n in found} for key, found in entry["searches"].items()}
    example = f"{entry['prompts'][0]['text']} \u2026 {entry['prompts'][0]['answer']}"
    line = {"id": ident, "group": group, "label": label, "example": example, "searches": searches}
    return line | {"heads_of": heads_of}


def index(source: Source, graph: Graph, lines: Sequence[Entry], couples: Sequence[dict]) -> Entry:
    """What the page has to know first of a model: its graph, and its entries and couples."""
    seen = [int(row.sum()) for row in graph.edges]
    fed = [[rows.start, rows.stop] for rows in map(graph.source_of, range(len(graph.readers)))]
    shape = asdict(graph) | {"sources": graph.sources, "readers": graph.readers, "visible": seen, "feeds": fed}
    named = {"stops": stop_names(graph.n_layers), "entries": lines, "couples": couples}
    return {"model": source.name, "size": str(source.size), "graph": shape} | named


def beginning(sources: Sequence[Source]) -> Entry:
    """What the page has to know before a model is chosen: the models, and colours and names of classes."""
    models = [{"id": source.name, "label": source.label} for source in sources]
    return {"models": models, "colors": dict(COLORS), "kinds": KINDS}


def script(call: str, *values: object) -> str:
    """A script that hands values to the page; plain ASCII, so that no server can read it wrongly."""
    return CALL.format(call, ", ".join(json.dumps(value, separators=(",", ":")) for value in values))


def made(job: Job, kept: Path) -> Sequence[tuple[Entry, Entry, dict | None]]:
    """What a job gives, from the file that an earlier call left, or computed now and left there."""
    path = kept / f"{job.name}.json"
    if not path.is_file():
        write_whole(path, json.dumps(list(job.make())))
    return json.loads(path.read_text(encoding="utf-8"))


def write_explorer(
    model, source: Source, sources: Sequence[Source], folder: Path = DATA, kept: Path = KEPT
) -> list[Path]:
    """Write all scripts of one model; returns their paths, the indices last.

    What is finished is kept until all is: a second call goes on where the first was stopped.

    Raises:
        ToolError: if the folder that holds the page's scripts isn't there.
    """
    if not folder.parent.is_dir():
        raise ToolError(f"{folder.parent} isn't there: give this command in the book's folder")
    scripts, lines, couples = {}, [], []
    for job in tqdm(list(source.jobs(model)), desc=source.label):
        for line, entry, couple in made(job, kept / source.name):
            scripts[f"{source.name}/{line['id']}.js"] = script("add", f"{source.name}/{line['id']}", entry)
            lines.append(line)
            couples += [couple] if couple else []
    scripts[f"{source.name}/index.js"] = script("open", index(source, Graph.from_model(model), lines, couples))
    scripts["index.js"] = script("start", beginning(sources))
    paths = [write_whole(folder / name, text) for name, text in scripts.items()]  # none before all are made
    shutil.rmtree(kept / source.name)
    return paths
