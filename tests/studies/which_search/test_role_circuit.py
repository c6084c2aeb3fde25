"""The picture of a circuit by roles has every edge between the columns of its roles, and no mark hides another."""

import html
import itertools
import math

import pytest
import torch

from helpers import PromptPairs, relation_pairs
from helpers.circuits.graph import Graph
from helpers.studies.which_search.role_circuit import draw_role_circuit, example_words
from helpers.studies.which_search.role_layout import DISC, LABEL, PHONE, Node, links_of, plan
from helpers.studies.which_search.roles import ROLES, RoleCircuit, RoleGraph, RoleScores

GRAPH = Graph(3, 4, 4)
GROUPED = Graph(4, 9, 3)
EDGES = [
    ("embed->a0.h1<v>", "subject first", "subject first"),
    ("embed->a0.h1<v>", "subject middle", "subject last"),
    ("embed->a0.h1<k>", "subject middle", "subject last"),
    ("a0.h1->m0", "subject first", "subject first"),
    ("m0->a2.h3<v>", "subject first", "last"),
    ("m0->a2.h3<q>", "last", "last"),
    ("m0->m2", "last", "last"),
    ("a2.h3->logits", "last", "last"),
]


def made(graph: Graph, edges: dict[tuple[str, str, str], float]) -> tuple[RoleCircuit, RoleScores]:
    """A circuit by roles of named edges, and their scores."""
    values = torch.zeros(RoleGraph(graph).edges.shape)
    mask = torch.zeros_like(values, dtype=torch.bool)
    for (name, own, query), score in edges.items():
        place = (ROLES.index(query), ROLES.index(own), *graph.place(name))
        values[place], mask[place] = score, True
    return RoleCircuit(graph, mask), RoleScores(graph, values)


def random_scores(graph: Graph) -> RoleScores:
    edges = RoleGraph(graph).edges
    return RoleScores(graph, torch.randn(edges.shape, generator=torch.Generator().manual_seed(0)) * edges)


@pytest.fixture(scope="module")
def pairs(atlas):
    return relation_pairs(atlas, "landmark_country", 20)


@pytest.fixture(scope="module")
def figure(atlas, pairs):
    circuit, scores = made(GRAPH, {edge: 1.0 + n for n, edge in enumerate(EDGES)})
    return draw_role_circuit(atlas, circuit, pairs, title="finding", scores=scores)


def node_places(figure) -> dict[tuple[str, str], tuple[float, float]]:
    """Where the drawing has each node, by what is told of it."""
    (trace,) = [trace for trace in figure.data if trace.name == "node"]
    names = [tuple(text.removeprefix("<b>").partition("<br>")[0].split("</b>, ")) for text in trace.hovertext]
    return dict(zip(names, zip(trace.x, trace.y, strict=True), strict=True))


def drawn_lines(figure) -> list[tuple]:
    """The two ends of each line, and the kind it is in the legend's group of."""
    lines = []
    for trace in figure.data:
        if trace.mode == "lines" and trace.legendgroup and trace.x[0] is not None:
            points = list(zip(trace.x, trace.y, strict=True))
            assert all(math.isnan(x) for x, _ in points[3::4]), "a gap after each edge"
            lines += [(points[i], points[i + 2], trace.legendgroup) for i in range(0, len(points), 4)]
    return lines


def told_edges(figure) -> dict[str, str]:
    texts = [html.unescape(text) for trace in figure.data for text in trace.hovertext or ()]
    return dict(text.replace(" → ", "->").split("<br>") for text in texts if " → " in text)


def column_of(figure, x: float) -> str:
    """The role whose label stands nearest below: columns are told apart by their labels alone."""
    axis = figure.layout.xaxis
    shades = [edge for shape in figure.layout.shapes for edge in (shape.x0, shape.x1)]
    borders = sorted({*axis.range, *shades})
    column = next(n for n, (left, right) in enumerate(itertools.pairwise(borders)) if left < x < right)
    assert borders[column] < axis.tickvals[column] < borders[column + 1]
    return axis.ticktext[column].partition("</b>")[0].removeprefix("<b>").replace("<br>", " ")


def row_of(figure, y: float) -> str:
    axis = figure.layout.yaxis
    return min(zip(axis.tickvals, axis.ticktext, strict=True), key=lambda tick: abs(tick[0] - y))[1]


def test_every_edge_runs_from_its_own_roles_column_to_the_querys(figure):
    places = node_places(figure)
    expected = set()
    for name, own, query in EDGES:
        source, _, reader = name.partition("->")
        kind = reader[-2] if "<" in reader else "logits" if reader == "logits" else "mlp"
        expected.add((places[source, own], places[reader.partition("<")[0], query], kind))
    lines = drawn_lines(figure)
    assert set(lines) == expected and len(lines) == len(EDGES)
    for (name, own, query), (start, end, _) in zip(sorted(EDGES), sorted_like(lines, places), strict=True):
        assert (column_of(figure, start[0]), column_of(figure, end[0])) == (own, query), name


def sorted_like(lines: list[tuple], places: dict) -> list[tuple]:
    """The lines in the order of the names, roles and readers of their edges."""
    at = {place: node for node, place in places.items()}

    def edge(line: tuple) -> tuple[str, str, str]:
        (source, own), (reader, query) = at[line[0]], at[line[1]]
        return f"{source}->{reader}" + f"<{line[2]}>" * (line[2] in "qkv"), own, query

    return sorted(lines, key=edge)


def test_nodes_stand_in_their_roles_column_and_their_layers_row(figure):
    places = node_places(figure)
    assert len(places) == 9
    for (name, role), (x, y) in places.items():
        assert column_of(figure, x) == role
        row = row_of(figure, y)
        assert row == (name if name in ("embed", "logits") else f"layer {name[1]}")
    assert [text.partition("<br>")[0] for text in figure.layout.yaxis.ticktext] == [
        "embed",
        "layer 0",
        "layer 2",
        "logits",
    ], "no row for a layer that isn't used"


def test_edges_rise_and_only_attention_leaves_a_column(figure):
    for start, end, kind in drawn_lines(figure):
        assert end[1] > start[1]
        if column_of(figure, start[0]) != column_of(figure, end[0]):
            assert kind in "kv" and end[0] > start[0], "what is looked at comes earlier"


def test_keys_and_values_between_the_same_nodes_lie_apart(figure):
    marks = [trace for trace in figure.data if trace.mode == "markers" and trace.name != "node"]
    middles = [point for trace in marks for point in zip(trace.x, trace.y, strict=True)]
    assert len(middles) == len(set(middles)) == len(EDGES)


def test_what_is_told_of_edges_and_nodes(figure):
    told = told_edges(figure)
    assert told["m0->a2.h3<v>, subject first to last"] == "score 5" and told["m0->m2, last"] == "score 7"
    assert len(told) == len(EDGES)
    (trace,) = [trace for trace in figure.data if trace.name == "node"]
    (head,) = [text for text in trace.hovertext if text.startswith("<b>a2.h3</b>")]
    assert head == "<b>a2.h3</b>, last<br>2 edges in, scores sum to 11<br>1 edge out, scores sum to 8"
    heads = {text for text, shape in zip(trace.text, trace.marker.symbol, strict=True) if shape == "circle"}
    assert heads == {"1", "3"} and set(trace.text) == heads | {""}
    table = figure.layout.meta["table"]
    assert table[0] == ["edge", "from", "to", "score"] and table[1] == ["a2.h3->logits", "last", "last", 8.0]
    assert {tuple(row[:3]) for row in table[1:]} == set(EDGES)
    assert figure.layout.title.text == "finding"


def test_a_harmful_edge_is_dotted_and_a_weak_one_thin(atlas, pairs):
    weights = dict(zip(EDGES[-3:], (1.0, -0.5, 0.01), strict=True))
    circuit, scores = made(GRAPH, weights)
    lines = [t for t in draw_role_circuit(atlas, circuit, pairs, title="t", scores=scores).data if t.mode == "lines"]
    drawn = {(t.legendgroup, t.line.dash, t.line.width) for t in lines if t.x[0] is not None}
    assert {(kind, dash) for kind, dash, _ in drawn} == {("q", "solid"), ("mlp", "dot"), ("logits", "solid")}
    width = {kind: width for kind, _, width in drawn}
    assert width["q"] > width["mlp"] > width["logits"]
    assert "negative score" in {t.name for t in lines if t.showlegend is not False}
    plain = draw_role_circuit(atlas, circuit, pairs, title="t")
    assert {t.line.dash for t in plain.data if t.mode == "lines" and t.legendgroup and t.showlegend is False} == {
        "solid"
    }
    assert plain.layout.meta["table"][0] == ["edge", "from", "to"]


@pytest.mark.parametrize(("graph", "n"), [(GRAPH, 12), (GRAPH, 60), (GROUPED, 30), (Graph(6, 8, 8), 40)])
def test_on_a_phone_no_mark_hides_another_and_labels_have_room(atlas, pairs, graph, n):
    figure = draw_role_circuit(atlas, random_scores(graph).top(n), pairs, title="t")
    (trace,) = [trace for trace in figure.data if trace.name == "node"]
    across = PHONE / (figure.layout.xaxis.range[1] - figure.layout.xaxis.range[0])
    bottom, top = figure.layout.yaxis.range
    up = (figure.layout.height - 210) / (top - bottom)  # 210 pixels are around the drawing
    marks = list(zip(trace.x * across, trace.y * up, trace.marker.size, strict=True))
    for (x, y, size), (x2, y2, size2) in itertools.combinations(marks, 2):
        assert math.hypot(x - x2, y - y2) >= (size + size2) / 2
    middles = figure.layout.xaxis.tickvals
    assert all(b - a >= LABEL - 1e-6 for a, b in itertools.pairwise(middles))


def test_columns_are_as_wide_as_what_is_in_them_and_fit_a_phone():
    narrow = plan(links_of(made(GRAPH, dict.fromkeys(EDGES, 0.0))[0], None))
    assert narrow.width * DISC <= PHONE and list(narrow.columns) == [
        "subject first",
        "subject middle",
        "subject last",
        "last",
    ]
    heads = {(f"embed->a0.h{h}<v>", "last", "last"): 0.0 for h in range(4)}
    wide = plan(links_of(made(GRAPH, heads)[0], None))
    x = [wide.places[Node(f"a0.h{h}", "last")][0] for h in range(4)]
    assert x == sorted(x) and len({round(b - a, 6) for a, b in itertools.pairwise(x)}) == 1
    several = plan(links_of(random_scores(Graph(6, 8, 8)).top(200), None))
    cell = [place for node, place in several.places.items() if node.role == "last" and node.name.startswith("a1.h")]
    assert len({y for _, y in cell}) > 1, "more heads than fit side by side stand in lines"


def test_a_group_leads_to_its_heads_in_the_same_role(atlas, pairs):
    edges = [
        ("embed->a1.kv1<v>", "subject last", "last"),
        ("a1.h4->logits", "last", "last"),
        ("a1.h5->logits", "last", "last"),
        ("a1.h8->logits", "last", "last"),
        ("embed->a1.h3<q>", "subject last", "subject last"),
    ]
    figure = draw_role_circuit(atlas, made(GROUPED, dict.fromkeys(edges, 1.0))[0], pairs, title="t")
    places = node_places(figure)
    (spokes,) = [t for t in figure.data if t.mode == "lines" and not t.legendgroup and t.x[0] is not None]
    points = list(zip(spokes.x, spokes.y, strict=True))
    assert set(points[0::3]) == {places["a1.kv1", "last"]}
    assert set(points[1::3]) == {places["a1.h4", "last"], places["a1.h5", "last"]}
    assert places["a1.kv1", "last"][1] < places["a1.h5", "last"][1]
    (trace,) = [trace for trace in figure.data if trace.name == "node"]
    told = {text.partition("</b>")[0][3:]: text for text in trace.hovertext}
    assert "1 edge in" in told["a1.h4"] and "0 edges in" in told["a1.h8"] and "out" not in told["a1.kv1"]


def test_columns_are_named_by_the_tokens_of_one_prompt(atlas, pairs, figure):
    prompt, words = example_words(atlas, pairs, ROLES)
    assert prompt in pairs.clean and "".join(words[role] for role in ROLES if role in words) == f"BOS {prompt}"
    inside = [role for role in ROLES if role.startswith("subject")]
    assert set(words) >= {*inside, "last"}, "the longest name has all roles"
    subject = pairs.subjects[pairs.clean.index(prompt)]
    ids = pairs.clean_ids[pairs.clean.index(prompt)]
    assert "".join(words[role] for role in inside) == atlas.tokenizer.decode(ids[subject])
    assert words["last"] == atlas.tokenizer.decode(ids[-1:])
    shown = html.unescape(figure.layout.xaxis.title.text.replace("<br>", " "))
    assert shown.removeprefix("as in: ") in pairs.clean
    *_, last = figure.layout.xaxis.ticktext
    assert last == f"<b>last</b><br><i>{words['last'].strip()}</i>"


def test_wrong_input_is_refused(atlas, pairs):
    circuit, _ = made(GRAPH, dict.fromkeys(EDGES, 1.0))
    with pytest.raises(ValueError, match="no edges, so there is nothing to draw"):
        draw_role_circuit(atlas, made(GRAPH, {})[0], pairs, title="t")
    with pytest.raises(ValueError, match="the scores are of Graph"):
        draw_role_circuit(atlas, circuit, pairs, title="t", scores=random_scores(GROUPED))
    unknown = PromptPairs.from_prompts(
        atlas, ["The capital of France is"], ["The capital of Spain is"], [" Paris"], [" Madrid"]
    )
    with pytest.raises(ValueError, match="roles need to know where the subjects are"):
        draw_role_circuit(atlas, circuit, unknown, title="t")
    with pytest.raises(ValueError, match="no prompt of these pairs has a token that is relation"):
        example_words(atlas, pairs, ["relation"])
    with pytest.raises(ValueError, match="circuit has to be an instance of RoleCircuit"):
        draw_role_circuit(atlas, "circuit", pairs, title="t")
