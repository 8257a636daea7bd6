"""Ways to change the service's source. Each names a function and finds its place in the syntax
tree, so that formatting, comments and the code around it may change freely.

A target is a module below `orders` and a qualified name: `aws.table:DynamoOrders.place`. A place
that is missing, or that is there twice, raises `TargetMissing`: the service has changed, and the
mutant must follow.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from textwrap import indent
from typing import TypeVar

#: The service's source: text by file name below the package `orders`.
Sources = Mapping[str, str]

#: In new code, the name of what it replaces.
ORIGINAL = "original"

T = TypeVar("T")


class TargetMissing(Exception):
    """The function does not hold exactly one of what a mutation looks for."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of the function `target`."""

    target: str

    @property
    def file(self) -> str:
        return self.target.partition(":")[0].replace(".", "/") + ".py"

    def applied(self, sources: Sources) -> dict[str, str]:
        """The source with this change. Raises `TargetMissing`."""
        tree = ast.parse(sources.get(self.file, ""))
        self.change(self._function(tree))
        return {**sources, self.file: ast.unparse(ast.fix_missing_locations(tree))}

    def change(self, function: ast.FunctionDef) -> None:
        """Change the function in place. Raises `TargetMissing`."""
        raise NotImplementedError

    def only(self, found: Iterable[T], sought: str) -> T:
        """The one thing found. Raises `TargetMissing` for none and for several."""
        each = list(found)
        if len(each) != 1:
            raise TargetMissing(
                f"orders.{self.target} must hold {sought} exactly once, and holds it"
                f" {len(each)} times. Adapt the mutant in spillway/prove/mutants/catalogue.py."
            )
        return each[0]

    def _function(self, tree: ast.Module) -> ast.FunctionDef:
        scope: ast.Module | ast.ClassDef | ast.FunctionDef = tree
        for name in self.target.partition(":")[2].split("."):
            definitions = (
                node for node in scope.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))
            )
            scope = self.only((node for node in definitions if node.name == name), f"`{name}`")
        return self.only([scope] if isinstance(scope, ast.FunctionDef) else [], "a function")


@dataclass(frozen=True, slots=True)
class ReplaceBody(Mutation):
    """The function does `code` instead. ORIGINAL in it is what it did."""

    code: str

    def change(self, function: ast.FunctionDef) -> None:
        function.body = _code_around(self.code, function.body)


@dataclass(frozen=True, slots=True)
class ReplaceStatement(Mutation):
    """The statement that calls `call` becomes `code`. ORIGINAL in it is the statement."""

    call: str
    code: str

    def change(self, function: ast.FunctionDef) -> None:
        places = (
            (block, place)
            for block in _blocks(function)
            for place, statement in enumerate(block)
            if any(_calls(node, self.call) for node in _own_nodes(statement))
        )
        block, place = self.only(places, f"a statement that calls `{self.call}`")
        block[place : place + 1] = _code_around(self.code, [block[place]])


class SwallowFailure(ReplaceStatement):
    """A `TransientFailure` of the statement that calls `call` is swallowed, and `code` follows."""

    def __init__(self, target: str, call: str, code: str) -> None:
        handler = indent(code, "    ")
        super().__init__(target, call, f"try:\n    {ORIGINAL}\nexcept TransientFailure:\n{handler}")


class DropStatement(ReplaceStatement):
    """The statement that calls `call` is left out."""

    def __init__(self, target: str, call: str) -> None:
        super().__init__(target, call, "pass")


@dataclass(frozen=True, slots=True)
class ReplaceExpression(Mutation):
    """The expression `old` becomes `new`. Quotes, spaces and brackets do not matter."""

    old: str
    new: str

    def change(self, function: ast.FunctionDef) -> None:
        swap = _Swap(self.old, self.new)
        swap.visit(function)
        self.only(swap.found, f"the expression `{self.old}`")


class _Swap(ast.NodeTransformer):
    def __init__(self, old: str, new: str) -> None:
        self.found: list[ast.AST] = []
        self._old = ast.dump(ast.parse(old, mode="eval").body)
        self._new = ast.parse(new, mode="eval").body

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and ast.dump(node) == self._old:
            self.found.append(node)
            return self._new
        return self.generic_visit(node)


class Mutant:
    """The service with these changes. `sentence` says what it does wrong."""

    def __init__(self, name: str, sentence: str, *mutations: Mutation) -> None:
        self.name = name
        self.sentence = sentence
        self.mutations = mutations


def mutated(mutants: Iterable[Mutant], sources: Sources) -> Sources:
    """The source with these mutants. Raises `TargetMissing`."""
    for mutant in mutants:
        for mutation in mutant.mutations:
            try:
                sources = mutation.applied(sources)
            except TargetMissing as missing:
                raise TargetMissing(f"Mutant {mutant.name}: {missing}") from None
    return sources


def _code_around(code: str, original: list[ast.stmt]) -> list[ast.stmt]:
    """`code` with `original` in place of its ORIGINAL, if it has one."""
    tree = ast.parse(code)
    for block in _blocks(tree):
        for place, statement in enumerate(block):
            if isinstance(statement, ast.Expr) and ast.unparse(statement) == ORIGINAL:
                block[place : place + 1] = original
                return tree.body
    return tree.body


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every list of statements in it: bodies, branches, handlers."""
    for node in ast.walk(tree):
        for _, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield value


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """The statement's nodes without those of the statements inside it."""
    inside = (ast.stmt, ast.excepthandler, ast.match_case)
    nodes: list[ast.AST] = [statement]
    for node in nodes:
        nodes += (each for each in ast.iter_child_nodes(node) if not isinstance(each, inside))
    return iter(nodes)


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and f".{ast.unparse(node.func)}".endswith(f".{name}")
