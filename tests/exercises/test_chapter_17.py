"""The checks of the atlas chapter take right answers and reject plausible wrong ones with a reason."""

from itertools import combinations, product

from helpers import Circuit
from helpers.exercises import chapter_17
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_counts_relations():
    judge = chapter_17.counts_relations

    def right(table, model, first="mean", second="median"):
        own = table[table.model == model]
        return own.groupby(["kind", "relation"]).needed.agg(first).groupby("kind").agg(second)

    assert judge(right)
    assert "of the other model" in message(judge(lambda t, m: right(t.assign(model=m), m)))
    assert "rows were counted" in message(judge(lambda t, m: t[t.model == m].groupby("kind").needed.median()))
    assert "not their median" in message(judge(lambda t, m: right(t, m, second="mean")))
    assert "one value a kind" in message(judge(lambda t, m: 50))
    assert "are 51 and 50" in message(judge(lambda t, m: right(t, m, first="max")))
    assert "attempted" in message(judge(lambda t, m: None))


def test_finds_again():
    judge = chapter_17.finds_again

    def mean_of(couples, share=Circuit.jaccard):
        values = [share(a, b) for a, b in couples]
        return sum(values) / len(values)

    def smaller(a, b):
        return (a & b).n_edges / min(a.n_edges, b.n_edges)

    assert judge(lambda c: mean_of(combinations(c, 2)))
    assert judge(lambda c: mean_of((a, b) for a in c for b in c if a is not b)), "each couple twice is the same"
    assert "with itself" in message(judge(lambda c: mean_of(product(c, c))))
    assert "only the first" in message(judge(lambda c: mean_of((c[0], other) for other in c[1:])))
    assert "*either*" in message(judge(lambda c: mean_of(combinations(c, 2), smaller)))
    assert "take the mean" in message(judge(lambda c: 3 * mean_of(combinations(c, 2))))
    assert "two at a time" in message(judge(lambda c: (c[0] & c[1] & c[2]).n_edges / (c[0] | c[1] | c[2]).n_edges))
    assert "one number" in message(judge(lambda c: [0.3]))
    assert "attempted" in message(judge(lambda c: None))


def test_finds_cores():
    def core(circuits):
        result = circuits[0]
        for circuit in circuits[1:]:
            result = result & circuit
        return result

    def union(circuits):
        result = circuits[0]
        for circuit in circuits[1:]:
            result = result | circuit
        return result

    def common(others, share=0.5):
        often = sum(o.mask.int() for o in others) >= share * len(others)
        return Circuit(others[0].graph, often & others[0].graph.edges)

    def own(circuits, others):
        return core(circuits) - common(others)

    def judge(first, second=own):
        return chapter_17.finds_cores(first, second)

    assert judge(core)
    assert "any of them has" in message(judge(union))
    assert "all circuits taken" in message(judge(lambda c: c[0] & c[2] | c[0]))
    assert "take them away" in message(judge(core, lambda c, o: core(c) & common(o)))
    assert "fewer than half" in message(judge(core, lambda c, o: core(c) - union(o)))
    assert "only edges of the core" in message(judge(core, lambda c, o: union(c) - common(o)))
    assert "here it is" in message(judge(core, lambda c, o: core(c)))
    assert "return a circuit" in message(judge(lambda c: list(c[0])))
    assert "attempted" in message(judge(lambda c: None))
