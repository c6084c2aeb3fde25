"""What statements bind and read, and which of them a name needs."""

import ast

import pytest
from _tools.grader.cells import bound, check_of, is_checks_import, needed, placeholder, source, statements, used


def one(code: str) -> ast.stmt:
    (node,) = statements(code)
    return node


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("a, (b, c) = 1, (2, 3)", "a b c"),
        ("a.b[0].c = 1", "a"),
        ("a += 1", "a"),
        ("a.append(b)", "a b"),
        ("shuffle(rows)", "rows shuffle"),
        ("print(a.b)", ""),
        ("import a.b, c as d", "a d"),
        ("for i, x in rows:\n    total += x\n    seen[i] = x", "i x total seen"),
        ("with edit:\n    y = f(x)", "edit y"),
        ("def f(x):\n    z = x", "f"),
        ("a = [i for i in rows]", "a"),
    ],
)
def test_bound(code, names):
    assert bound(one(code)) == set(names.split())


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("a = [f(i, b) for i in rows if i]", "f b rows"),
        ("def f(x, y=d):\n    z = x + c\n    return lambda q: q + z + e", "d c e"),
        ("class A(B):\n    x = y", "B y"),
        ("a.b[c] = d", "a c d"),
        ("g = lambda x: x + a", "a"),
        ("def f(x):\n    import math as m\n    def g(): return h(m)\n    return g", "h"),
    ],
)
def test_used(code, names):
    assert used(one(code)) == set(names.split())


def kept(code: str, *names: str) -> str:
    return source(needed(statements(code), names)).replace("\n", "; ")


def test_only_what_is_needed_is_kept():
    assert kept("a = 1; b = a + 1; c = 3", "b") == "a = 1; b = a + 1"
    assert kept("a = 1; a = 2; b = a; a = 3", "b") == "a = 2; b = a"
    assert kept("a = []; a.append(1); c = 1; b = a", "b") == "a = []; a.append(1); b = a"
    assert kept("import random; random.seed(0); a = 1; b = 2", "b") == "import random; random.seed(0); b = 2"
    assert kept("x = 1 / 0; print(x)", "y") == ""


def test_a_function_reads_names_when_it_is_called():
    code = "c = 1\ndef f():\n    return c\nc = 2\nd = f()\nc = 3"
    assert "c = 2" in kept(code, "d") and "c = 3" not in kept(code, "d")
    assert "c = 3" in kept(code, "f")


def test_a_library_is_not_changed_by_being_called():
    assert kept("import torch; torch.set_num_threads(1); a = torch.ones(1)", "a") == "import torch; a = torch.ones(1)"


def test_stubs_and_checks():
    assert placeholder(one("def f(x):\n    'Say.'\n    return None")) == "f"
    assert placeholder(one("x = None")) == "x"
    assert not placeholder(one("x = 1")) and not placeholder(one("def f(x):\n    return x"))
    assert ast.unparse(check_of(one("assert chapter_09.turns(turned, a[0])"))) == "chapter_09.turns(turned, a[0])"
    assert check_of(one("chapter_09.turns(turned)")) and not check_of(one("chapters.turns(turned)"))
    assert is_checks_import(one("from helpers.exercises import chapter_16")) and not is_checks_import(
        one("import math")
    )


def test_lines_for_ipython_do_nothing():
    assert source(statements("%%time\nif a:\n    !ls\nf?\nb = 2 % 3")) == "pass\nif a:\n    pass\npass\nb = 2 % 3"
