"""The checks of the atlas chapter take right answers and reject plausible wrong ones with a reason."""

import hashlib
import json

from helpers import Circuit
from helpers.exercises import chapter_17
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_counts_relations():
    judge = chapter_17.counts_relations

    def right(table, first="mean", second="median"):
        found = table[table.method == "eap_ig"]
        return found.groupby(["kind", "relation"]).edges.agg(first).groupby("kind").agg(second)

    assert judge(right)
    assert "by acdc" in message(judge(lambda t: right(t.assign(method="eap_ig"))))
    assert "rows were counted" in message(judge(lambda t: t[t.method == "eap_ig"].groupby("kind").edges.median()))
    assert "not their median" in message(judge(lambda t: right(t, second="mean")))
    assert "one value a kind" in message(judge(lambda t: 50))
    assert "attempted" in message(judge(lambda t: None))


def test_makes_keys():
    judge = chapter_17.makes_keys

    def key(weights, pairs, options, part=lambda a: f"{a.dtype}{a.shape}".encode() + a.tobytes(), ordered=sorted):
        total = hashlib.sha256(json.dumps([pairs, options], sort_keys=True).encode())
        for name, array in ordered(weights.items()):
            total.update(name.encode() + part(array))
        return total.hexdigest()

    assert judge(key)
    assert "options were filled in" in message(judge(lambda w, p, o: key(w, [p, str(o)], {})))
    assert "weights were filled in" in message(judge(lambda w, p, o: key(w, p, o, ordered=list)))
    assert "a copy of the weights" in message(judge(lambda w, p, o: key(w, p, o, part=lambda a: str(id(a)).encode())))
    assert "leaves most of it out" in message(judge(lambda w, p, o: key(w, p, o, part=lambda a: str(a).encode())))
    assert "another shape" in message(judge(lambda w, p, o: key(w, p, o, part=lambda a: a.tobytes())))
    assert "another option" in message(judge(lambda w, p, o: key(w, p, {})))
    assert "another order" in message(judge(lambda w, p, o: key(w, sorted(p), o)))
    assert "another token" in message(judge(lambda w, p, o: key(w, [q[0] for q in p], o)))
    assert "attempted" in message(judge(lambda w, p, o: None))
    assert "string" in message(judge(lambda w, p, o: 1))


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
