"""The picture of a circuit holds its edges and nothing else, and its slider shows one circuit at a time."""

import html
import math

import plotly.graph_objects as go
import pytest
import torch
from _tools.page_figures import PageRenderer, numbers_table

from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.scores import Scores
from helpers.figures import display
from helpers.figures.circuit import KINDS, circuit_picture, circuit_series
from helpers.figures.circuit_layout import place

GRAPH = Graph(3, 4, 4)
GROUPED = Graph(2, 8, 2)


def random_scores(graph: Graph = GRAPH) -> Scores:
    generator = torch.Generator().manual_seed(0)
    return Scores(graph, torch.randn(graph.edges.shape, generator=generator))


def visible(figure: go.Figure) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.visible is not False]


def texts(traces: list[go.Scatter]) -> list[str]:
    return [html.unescape(text) for trace in traces for text in trace.hovertext or ()]


def drawn_edges(traces: list[go.Scatter]) -> dict[str, str]:
    """Each edge that can be pointed at, and what is said of it."""
    split = [text.replace(" → ", "->").partition("<br>") for text in texts(traces) if " → " in text]
    return {name: rest for name, _, rest in split}


def segments(traces: list[go.Scatter]) -> set[tuple]:
    """The ends of every line that belongs to a kind of edge, as (start, end, kind)."""
    found = set()
    for trace in traces:
        if trace.mode == "lines" and trace.legendgroup and trace.x[0] is not None:
            points = list(zip(trace.x, trace.y, strict=True))
            assert all(math.isnan(x) for x, _ in points[3::4]), "a gap after each edge"
            found |= {(points[i], points[i + 2], trace.legendgroup) for i in range(0, len(points), 4)}
    return found


def nodes(traces: list[go.Scatter], name: str = "node") -> list[str]:
    found = [trace for trace in traces if trace.name == name]
    return [text.removeprefix("<b>").partition("</b>")[0] for text in texts(found)]


def test_every_edge_is_there_with_its_score_and_nothing_else():
    scores = random_scores()
    circuit = scores.top(40)
    figure = circuit_picture(circuit, scores=scores, title="finding")
    edges = drawn_edges(figure.data)
    assert set(edges) == set(circuit)
    for edge, text in edges.items():
        assert text == f"score {float(scores.values[GRAPH.place(edge)]):.3g}"
    assert figure.layout.title.text == "finding" and not figure.layout.sliders


def test_lines_run_from_the_source_to_what_reads_it():
    edges = ["embed->a0.h1<q>", "a0.h1->m0", "m0->a2.h3<v>", "m0->a2.h3<k>", "m0->m2", "a2.h3->logits"]
    figure = circuit_picture(Circuit.from_edges(GRAPH, edges), title="t")
    ends = [("embed", "a0.h1", "q"), ("a0.h1", "m0", "mlp"), ("m0", "a2.h3", "v"), ("m0", "a2.h3", "k")]
    ends += [("m0", "m2", "mlp"), ("a2.h3", "logits", "logits")]
    assert segments(figure.data) == {(place(GRAPH, a), place(GRAPH, b), kind) for a, b, kind in ends}
    assert nodes(figure.data) == ["embed", "a0.h1", "m0", "a2.h3", "m2", "logits"]
    middles = [point for t in figure.data if t.hovertext and t.legendgroup for point in zip(t.x, t.y, strict=True)]
    assert len(set(middles)) == len(edges), "edges between the same nodes lie apart"


def test_rows_rise_with_the_layer_and_no_two_nodes_share_a_place():
    places = [place(GRAPH, name) for name in (*GRAPH.sources, "logits")]
    assert len(set(places)) == len(places)
    for reader, source in GRAPH.edges.nonzero().tolist():
        fed = GRAPH.sources[GRAPH.source_of(reader)] or ("logits",)
        assert place(GRAPH, fed[0])[1] > place(GRAPH, GRAPH.sources[source])[1]


def test_each_step_of_the_slider_shows_one_circuit():
    scores = random_scores()
    series = circuit_series(scores, (5, 20, 60))
    assert list(series) == ["5 edges", "20 edges", "60 edges"] and series["20 edges"] == scores.greedy(20)
    figure = circuit_picture(series, scores=scores, title="t")
    assert set(drawn_edges(visible(figure))) == set(series["5 edges"])
    for step, (label, circuit) in zip(figure.layout.sliders[0].steps, series.items(), strict=True):
        shown = step.args[0]["visible"]
        assert step.label == label and step.method == "restyle" and len(shown) == len(figure.data)
        traces = [trace for trace, on in zip(figure.data, shown, strict=True) if on]
        assert set(drawn_edges(traces)) == set(circuit)
        assert len(segments(traces)) == circuit.n_edges
        assert [name for name in nodes(traces) if name != "logits"] == list(circuit.nodes)
        assert sum(trace.name == "all nodes" for trace in traces) == 1


def test_width_is_the_size_of_the_score_and_dashes_its_sign():
    edges = {"m0->m1": 1.0, "m1->m2": 0.01, "m2->logits": -0.5}
    scores = Scores(GRAPH, torch.zeros(GRAPH.edges.shape))
    for edge, score in edges.items():
        scores.values[GRAPH.place(edge)] = score
    figure = circuit_picture(Circuit.from_edges(GRAPH, edges), scores=scores, title="t")
    lines = {(t.line.width, t.line.dash) for t in figure.data if t.mode == "lines" and len(t.x) == 4}
    assert lines == {(4.5, "solid"), (1.0, "solid"), (2.8, "dot")}
    assert {t.name for t in figure.data if t.showlegend is not False} == {"MLP", "logits", "negative score"}


def test_a_node_tells_its_edges_scores_and_words():
    edges = {"m0->a1.h2<q>": 0.5, "m0->a1.h2<v>": 0.25, "a1.h2->logits": 2.0}
    scores = Scores(GRAPH, torch.zeros(GRAPH.edges.shape))
    for edge, score in edges.items():
        scores.values[GRAPH.place(edge)] = score
    words = {"a1.h2": [" Paris", "<|endoftext|>", " <v>", "\ufffd", "\ufffd"]}
    figure = circuit_picture(Circuit.from_edges(GRAPH, edges), scores=scores, words=words, title="t")
    said = {text.partition("</b>")[0]: text for trace in figure.data for text in trace.hovertext or ()}
    assert said["<b>a1.h2"] == (
        "<b>a1.h2</b><br>2 edges in, scores sum to 0.75<br>1 edge out, scores sum to 2"
        "<br>writes: Paris, BOS, &lt;v&gt;, (byte)"
    )
    assert "writes" not in said["<b>m0"] and said["<b>m0"].endswith("2 edges out, scores sum to 0.75")
    plain = circuit_picture(Circuit.from_edges(GRAPH, edges), title="t")
    assert "score" not in "".join(texts(plain.data))


def test_a_group_has_one_mark_that_leads_to_its_heads():
    edges = ["embed->a1.kv1<k>", "embed->a1.kv1<v>", "embed->a1.h6<q>", "a1.h6->logits"]
    figure = circuit_picture(Circuit.from_edges(GROUPED, edges), title="t")
    assert set(drawn_edges(figure.data)) == set(edges)
    assert nodes(figure.data) == ["embed", "a1.h6", "logits"] and nodes(figure.data, "group") == ["a1.kv1"]
    mark = next(trace for trace in figure.data if trace.name == "group")
    centre = (mark.x[0], mark.y[0])
    assert {(a, b, kind) for a, b, kind in segments(figure.data) if kind in "kv"} == {
        (place(GROUPED, "embed"), centre, "k"),
        (place(GROUPED, "embed"), centre, "v"),
    }
    spokes = next(t for t in figure.data if t.mode == "lines" and not t.legendgroup and t.x[0] is not None)
    heads = list(zip(spokes.x, spokes.y, strict=True))[1::3]
    assert heads == [place(GROUPED, f"a1.h{n}") for n in (4, 5, 6, 7)]
    head = next(text for text in texts(figure.data) if text.startswith("<b>a1.h6"))
    assert "3 edges in" in head and "1 edge out" in head


@pytest.mark.parametrize("graph", [GRAPH, GROUPED])
def test_the_whole_graph_and_no_edge_at_all(graph):
    figure = circuit_picture({"none": Circuit.empty(graph), "all": Circuit.full(graph)}, title="t")
    first, last = (
        [t for t, on in zip(figure.data, s.args[0]["visible"], strict=True) if on]
        for s in figure.layout.sliders[0].steps
    )
    assert drawn_edges(first) == {} and segments(first) == set() and nodes(first) == []
    assert set(drawn_edges(last)) == set(Circuit.full(graph))
    assert drawn_edges(circuit_picture(Circuit.empty(graph), title="t").data) == {}


def test_wrong_input_is_refused_by_name():
    scores, circuit = random_scores(), Circuit.full(GRAPH)
    with pytest.raises(ValueError, match="circuits has to be an instance of Circuit or a valid dictionary, not Scores"):
        circuit_picture(scores, title="t")
    with pytest.raises(ValueError, match="circuits.a. has to be an instance of Circuit, not .*list"):
        circuit_picture({"a": ["m0->m1"]}, title="t")
    with pytest.raises(ValueError, match="mapping is empty"):
        circuit_picture({}, title="t")
    with pytest.raises(ValueError, match="'b' is of Graph"):
        circuit_picture({"a": circuit, "b": Circuit.full(GROUPED)}, title="t")
    with pytest.raises(ValueError, match="the scores are of Graph"):
        circuit_picture(circuit, scores=random_scores(GROUPED), title="t")
    with pytest.raises(ValueError, match="'m9', which is no source"):
        circuit_picture(circuit, words={"m9": ["x"]}, title="t")
    with pytest.raises(ValueError, match=r"words.m0. .* not 'Paris'"):
        circuit_picture(circuit, words={"m0": "Paris"}, title="t")
    with pytest.raises(ValueError, match="can't be taken"):
        circuit_series(scores, (10**6,))
    with pytest.raises(ValueError, match=r"sizes\[0\] has to be a whole number, not 0.03"):
        circuit_series(scores, (0.03,))


def test_on_the_page_its_table_lists_the_edges_and_it_is_small():
    scores = random_scores(Graph(6, 8, 8))
    series = circuit_series(scores, (10, 50, 100, 200))
    figure = circuit_picture(series, scores=scores, title="finding")
    strongest = max(series["200 edges"], key=lambda edge: abs(float(scores.values[scores.graph.place(edge)])))
    table = numbers_table(figure.to_dict())
    first = table.split("<tbody>")[1].split("</tr>")[0]
    assert html.escape(strongest) in first and "200 edges" in first and "140 more rows" in table
    page = PageRenderer().to_mimebundle(figure.to_dict())["text/html"]
    assert len(page) < 400_000 and page.count(html.escape(strongest)) == 1
    assert '<p class="kc-title">finding</p>' in page, "the slider leaves the title alone"


def test_the_kinds_are_told_apart_by_colour():
    colors = [color for _, color in KINDS.values()]
    assert sorted(colors) == sorted(("mover", "relation", "mixture", "mlp", "other")), "tested together in test_display"


def test_showing_keeps_the_table_beside_the_text_alternative(monkeypatch):
    shown = []
    monkeypatch.setattr(go.Figure, "show", lambda figure, **_: shown.append(figure.layout.meta))
    display.show(circuit_picture(Circuit.from_edges(GRAPH, ["m0->m1"]), title="t"), alt="one edge")
    assert shown == [{"alt": "one edge", "table": [["edge"], ["m0->m1"]]}]


def test_classes_colour_heads_and_leave_edges_gray():
    scores = random_scores()
    circuit = scores.top(40)
    heads = [name for name in circuit.nodes if name.startswith("a")]
    classes = {heads[0]: "mover", heads[1]: "relation", heads[2]: "none"}
    figure = circuit_picture(circuit, scores=scores, classes=classes, title="finding")
    drawn = next(trace for trace in figure.data if trace.name == "node")
    color = dict(zip(nodes(figure.data), drawn.marker.color, strict=True))
    assert color[heads[0]] == display.COLORS["mover"] and color[heads[1]] == display.COLORS["relation"]
    assert {color[name] for name in color if name not in heads[:2]} == {display.INK}
    told = dict(zip(nodes(figure.data), drawn.hovertext, strict=True))
    assert "class: mover" in told[heads[0]] and "class" not in told[heads[2]]
    lines = [trace for trace in figure.data if trace.mode == "lines" and trace.legendgroup]
    assert lines and {trace.line.color for trace in lines} == {display.COLORS["other"]}
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == ["mover", "relation", "no class"]


@pytest.mark.parametrize(("classes", "message"), [({"a9.h0": "mover"}, "no source"), ({"a0.h0": "boss"}, "boss")])
def test_wrong_classes_are_refused(classes, message):
    with pytest.raises(ValueError, match=message):
        circuit_picture(random_scores().top(5), classes=classes, title="t")
