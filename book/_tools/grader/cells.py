"""Cells as statements: what a stub asks for, and which statements of a chapter something depends on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

IPYTHON = re.compile(r"^(\s*)(?:[%!].*|[\w.]+\?{1,2})$", re.M)
CHECKS = re.compile(r"chapter_\d\d")
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SHOWING = {"print", "display", "plt"}  # what they are given stays as it is


def statements(code: str) -> list[ast.stmt]:
    """The statements of a cell; lines that only IPython understands do nothing.

    Raises:
        SyntaxError: if the cell isn't Python.
    """
    return ast.parse(IPYTHON.sub(r"\1pass", code)).body


def root(node: ast.AST) -> str:
    """The name at the beginning of ``a.b[0].c()``; empty if there is none."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _stored(node: ast.AST) -> set[str]:
    """All names that are bound anywhere in a part of the code, with the arguments of its functions."""
    names: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            names.add(part.id)
        elif isinstance(part, ast.arg):
            names.add(part.arg)
        elif isinstance(part, (*SCOPES[:3], ast.ExceptHandler)):
            names.add(part.name or "")
        elif isinstance(part, ast.alias):
            names.add(part.asname or part.name.split(".")[0])
    return names


def _loaded(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}


def used_later(node: ast.AST) -> set[str]:
    """The names from outside that the functions in a statement read when they are called."""
    if isinstance(node, SCOPES):
        return _loaded(node) - _stored(node)
    return set().union(*(used_later(child) for child in ast.iter_child_nodes(node)))


def used_now(node: ast.AST) -> set[str]:
    """The names from outside that a statement reads when it runs, without the variables of comprehensions."""
    if isinstance(node, SCOPES):
        outer = [*getattr(node, "decorator_list", []), *getattr(node, "bases", [])]
        if not isinstance(node, ast.ClassDef):
            outer += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        return set().union(*map(used_now, outer), used_later(node) if isinstance(node, ast.ClassDef) else ())
    if isinstance(node, COMPREHENSIONS):
        inner = set().union(*map(used_now, ast.iter_child_nodes(node)))
        return inner - set().union(*(_stored(generator.target) for generator in node.generators))
    own = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else set()
    return own.union(*map(used_now, ast.iter_child_nodes(node)))


def used(node: ast.AST) -> set[str]:
    """The names from outside that a statement reads, at once or when its functions are called."""
    return used_now(node) | used_later(node)


def _outer(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a statement that run when it runs: without the bodies of functions and classes."""
    yield node
    if isinstance(node, SCOPES + COMPREHENSIONS):
        return
    for child in ast.iter_child_nodes(node):
        yield from _outer(child)


def bound(node: ast.AST) -> set[str]:
    """The names that a statement binds, or whose objects it may change: ``a = 1``, ``a.b = 1``, ``a.append(1)``."""
    names: set[str] = set()
    for part in _outer(node):
        if isinstance(part, SCOPES[:3]):
            names.add(part.name)
        elif isinstance(part, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.split(".")[0] for alias in part.names}
        elif isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            names.add(part.id)
        elif isinstance(part, (ast.Attribute, ast.Subscript)) and not isinstance(part.ctx, ast.Load):
            names.add(root(part))
        elif isinstance(part, ast.withitem):
            names |= used_now(part.context_expr)
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call) and root(part.value) not in SHOWING:
            names.add(root(part.value.func))
            names |= {root(argument) for argument in part.value.args}
    return names - {""}


def check_of(node: ast.stmt) -> ast.Call | None:
    """The check that a statement calls, ``chapter_09.turns(...)``, also behind ``assert``; ``None`` for others."""
    value = node.test if isinstance(node, ast.Assert) else node.value if isinstance(node, ast.Expr) else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and CHECKS.fullmatch(root(value)):
        return value
    return None


def is_checks_import(node: ast.stmt) -> bool:
    """Whether a statement imports a chapter's checks."""
    names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
    return any(CHECKS.fullmatch(name.rsplit(".", 1)[-1]) for name in names)


def placeholder(node: ast.stmt) -> str:
    """The name that a stub leaves to the student: ``def f(...): return None`` or ``x = None``; empty for others."""

    def nothing(value: ast.AST | None) -> bool:
        return isinstance(value, ast.Constant) and value.value is None

    if isinstance(node, ast.FunctionDef):
        body = [part for part in node.body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
        if len(body) == 1 and isinstance(body[0], ast.Return) and nothing(body[0].value):
            return node.name
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and nothing(node.value):
        return root(node.targets[0])
    return ""


def source(nodes: Iterable[ast.stmt]) -> str:
    """Python code of some statements, in one form: two cells that differ in spaces or comments give the same."""
    return "\n".join(map(ast.unparse, nodes))


def binds_anew(node: ast.stmt) -> set[str]:
    """The names that a statement binds in any case, whatever they were before."""
    if isinstance(node, ast.Assign):
        targets = [part for target in node.targets for part in getattr(target, "elts", [target])]
        return {part.id for part in targets if isinstance(part, ast.Name)}
    plain = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return bound(node) if isinstance(node, plain) else set()


def needed(program: Sequence[ast.stmt], names: Iterable[str]) -> list[ast.stmt]:
    """The statements of a program that some names need behind its end, in their order.

    Walks backwards: a statement is kept if it binds or may change a name that is needed below it. What it reads is then
    needed above it, and what its functions read is needed wherever they are. What sets a seed is kept in any case.
    """
    modules = {name for s in program if isinstance(s, ast.Import) for name in bound(s)}
    changes = [bound(s) if isinstance(s, ast.Import) else bound(s) - modules for s in program]
    kept: list[ast.stmt] = []
    wanted: set[str] = set()

    def want(more: Iterable[str], above: int) -> None:
        for name in set(more) - wanted:
            wanted.add(name)
            for i in reversed([i for i in range(above) if name in changes[i]]):
                want(used_later(program[i]), above)
                if name in binds_anew(program[i]):
                    break

    want(names, len(program))
    for i, statement in reversed(list(enumerate(program))):
        call = statement.value if isinstance(statement, ast.Expr) else None
        seed = isinstance(call, ast.Call) and "seed" in ast.unparse(call.func)
        if seed or changes[i] & wanted:
            kept.append(statement)
            wanted -= binds_anew(statement)
            want(used_now(statement), i)
    return kept[::-1]
