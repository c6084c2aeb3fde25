"""The way of a cut edge: its ends are the exact cut, its tangent is EAP, and what bends inside is the model's own."""

from dataclasses import replace

import pytest
import torch

from helpers import Graph, eap, exact_scores, logit_diff
from helpers.circuits.ablation import run_writes
from helpers.circuits.incremental import sublayer_of
from helpers.models.network import read_network
from helpers.models.run import final_residual, qkv, residuals
from helpers.studies.which_search.wrong_gradients import (
    LINES,
    activation_figure,
    bent_edges,
    edge_path,
    finding,
    norm_figure,
    softmax_figure,
)

FIGURES = {"norm": norm_figure, "softmax": softmax_figure, "activation": activation_figure}


@pytest.fixture(scope="module")
def tables(small):
    model, pairs = small
    return {gradient: bent_edges(model, pairs, gradient) for gradient in FIGURES}


@pytest.fixture(scope="module")
def paths(small, tables):
    """The edge with the widest gap for each gradient, and a key's and a query's."""
    model, pairs = small
    edges = {gradient: table.edge[0] for gradient, table in tables.items()}
    for letter in "qk":
        edges[letter] = next(edge for edge in tables["softmax"].edge if edge.endswith(f"<{letter}>"))
    return {name: edge_path(model, pairs, edge, (0, 0.25, 0.5, 0.75, 1)) for name, edge in edges.items()}


@pytest.fixture(scope="module")
def exact(small):
    return exact_scores(*small)


def test_the_ends_of_the_way_are_the_clean_run_and_the_exact_cut(small, paths, exact):
    model, pairs = small
    clean = logit_diff(pairs.clean_logits(model), pairs)
    for path in paths.values():
        assert path.metric.shape == (5, len(pairs))
        torch.testing.assert_close(path.metric[-1], clean, atol=1e-4, rtol=1e-4)
        assert path.exact == pytest.approx(float(exact.values[exact.graph.place(path.edge)]), abs=2e-6)


def test_the_tangent_at_the_clean_end_is_eap(small, paths):
    found = eap(*small)
    for path in paths.values():
        expected = float(found.values[found.graph.place(path.edge)])
        assert float(path.metric_slope.mean()) == pytest.approx(expected, abs=2e-6) == path.scores["EAP"]
    activation = paths["activation"]
    torch.testing.assert_close(activation.inside_slope, activation.metric_slope, atol=1e-4, rtol=1e-3)


def test_a_table_has_all_edges_of_its_readers_with_the_widest_gap_first(small, tables, exact):
    graph, found = exact.graph, eap(*small)
    kinds = {"norm": ("logits",), "softmax": ("<q>", "<k>"), "activation": tuple(f"m{n}" for n in range(9))}
    for gradient, table in tables.items():
        names = [
            graph.name(r, s) for r, s in graph.edges.nonzero().tolist() if graph.readers[r].endswith(kinds[gradient])
        ]
        assert sorted(table.edge) == sorted(names)
        gaps = (table.alone - table.EAP).abs()
        assert gaps.is_monotonic_decreasing and gaps.iloc[0] > gaps.median()
        assert table.EAP.tolist() == [float(found.values[graph.place(edge)]) for edge in table.edge]
    at_logits = [float(exact.values[graph.place(edge)]) for edge in tables["norm"].edge]
    assert tables["norm"].alone.tolist() == pytest.approx(at_logits, abs=2e-6), "there is nothing else that bends"


def opened(small, edge: str):
    """Position by position, without what the library shares: each group's tokens, residual and what the source adds."""
    model, pairs = small
    net, graph = read_network(model), Graph.from_model(model)
    reader, source = graph.place(edge)
    for _, group in pairs.groups():
        writes = [
            run_writes(net, tokens)[0].expand(net)[source] for tokens in (group.clean_tokens, group.corrupt_tokens)
        ]
        before = residuals(net, group.clean_tokens)[sublayer_of(graph, reader)]
        yield net, group, before, writes[0] - writes[1]


@pytest.mark.parametrize("letter", ["q", "k"])
def test_attention_is_the_models_and_the_one_that_cutting_takes_most_from(small, paths, letter):
    path, graph = paths[letter], Graph.from_model(small[0])
    reader, _ = graph.place(path.edge)
    layer, fed = sublayer_of(graph, reader) // 2, graph.source_of(reader)
    first = graph.source_rows(2 * layer).start
    own = slice(fed.start - first, fed.stop - first)
    place = own.start if letter == "q" else own.start // (graph.n_heads // graph.n_groups)
    found = []
    for net, _, before, change in opened(small, path.edge):
        patterns = []
        for cut in (1.0, 0.0):
            parts = list(qkv(net.layers[layer], net.layers[layer].norm1(before)))
            other = qkv(net.layers[layer], net.layers[layer].norm1(before - cut * change))
            at = "qk".index(letter)
            parts[at][:, :, place] = other[at][:, :, place]
            q, k, _ = net.align(*parts)
            patterns.append(net.pattern(q, k)[:, own].flatten(1))
        most = (patterns[1] - patterns[0]).argmax(1, keepdim=True)
        found += torch.cat([pattern.gather(1, most) for pattern in patterns], 1).tolist()
    ends = path.inside[[0, -1]].T.tolist()
    assert sorted(sum(ends, [])) == pytest.approx(sorted(sum(found, [])), abs=1e-4)
    assert all(clean > cut for cut, clean in ends)


def test_the_scale_is_the_final_norms(small, paths):
    ratios = []
    for _, _, before, change in opened(small, paths["norm"].edge):
        ends = before[:, -1], (before - change)[:, -1]
        if read_network(small[0]).norm.centred:
            ends = [end - end.mean(-1, keepdim=True) for end in ends]
        clean, cut = (end.square().mean(-1).sqrt() for end in ends)
        ratios += (cut / clean).tolist()
    assert sorted(paths["norm"].inside[0].tolist()) == pytest.approx(sorted(ratios), abs=1e-3)
    torch.testing.assert_close(paths["norm"].inside[-1], torch.ones(len(small[1])))


def test_alone_means_that_everything_after_the_mlp_is_straight(small, tables, paths):
    """The metric's derivative along what the MLP would write less, by finite differences."""
    path = paths["activation"]
    layer, total = int(path.edge.split("->m")[1]), 0.0
    for net, group, before, change in opened(small, path.edge):
        mlp = net.layers[layer]
        less = (mlp.neurons(mlp.norm2(before - change)) - mlp.neurons(mlp.norm2(before))) @ mlp.W_out
        after = residuals(net, group.clean_tokens)[2 * layer + 2]
        up, down = (
            logit_diff(net.unembed(final_residual(net, after + sign * 1e-2 * less, 2 * layer + 2)), group)
            for sign in (1, -1)
        )
        total -= float((up - down).sum()) / 2e-2
    alone = tables["activation"].set_index("edge").alone[path.edge]
    assert alone == pytest.approx(total / len(small[1]), rel=0.02, abs=1e-3)
    assert alone == pytest.approx(float((path.inside[-1] - path.inside[0]).mean()), abs=1e-4)


@pytest.mark.parametrize("gradient", FIGURES)
def test_figures_draw_the_numbers_and_say_them(small, paths, gradient):
    path = paths[gradient]
    figure = FIGURES[gradient](path)
    lines = {(trace.name, trace.yaxis): trace for trace in figure.data}
    mean = lines["exact", "y"].y
    assert mean[-1] == pytest.approx(0, abs=1e-5) and mean[0] == pytest.approx(-path.exact, abs=1e-4)
    for name in LINES:
        assert list(lines[name, "y"].y) == pytest.approx([-path.scores[name], 0], abs=1e-4)
    assert set(name for name, axis in lines if axis == "y2") == {"exact", "EAP", f"single pairs, n = {len(small[1])}"}
    title = figure.layout.title.text
    assert title.startswith(f"Cutting {path.edge} costs {path.exact:.2f} logits")
    assert all(name in title.partition("Estimates: ")[2] for name in LINES)
    tangent = lines["EAP", "y2"].y
    assert tangent[1] - tangent[0] == pytest.approx(float(path.inside_slope.mean()), abs=1e-5)


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ((4.54, 7.27, 7.268), "EAP 4.54, RelP and GIM 7.27"),
        ((-0.001, 0.0, 0.004), "EAP, RelP and GIM 0.00"),
        ((-0.1, 0.2, 0.3), "EAP -0.10, RelP 0.20, GIM 0.30"),
    ],
)
def test_equal_estimates_are_told_once(paths, scores, told):
    path = replace(paths["norm"], scores=dict(zip(LINES, scores, strict=True)))
    assert finding(path).endswith(f"Estimates: {told}")


def test_both_rules_that_hold_norms_say_the_same_at_the_logits(paths):
    norm = paths["norm"]
    assert norm.scores["RelP"] == pytest.approx(norm.scores["GIM"], abs=1e-5)
    assert norm.nearest == min(norm.scores, key=lambda name: abs(norm.scores[name] - norm.exact))


def test_edges_that_have_no_way_are_refused(small):
    model, pairs = small
    values = next(name for name in Graph.from_model(model).readers if name.endswith("<v>"))
    with pytest.raises(ValueError, match="ends in values"):
        edge_path(model, pairs, f"embed->{values}")
    with pytest.raises(ValueError, match="is no source"):
        edge_path(model, pairs, "x->m0")
