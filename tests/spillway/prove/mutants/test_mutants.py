"""Each mutant can be made of the service as it is today, only in the process that asks for it, and
the simulation kills it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from functools import cache

import pytest

from spillway.prove.mutants.catalogue import MUTANTS
from spillway.prove.mutants.mutations import (
    DropStatement,
    Mutant,
    Mutation,
    ReplaceBody,
    ReplaceExpression,
    ReplaceStatement,
    TargetMissing,
    mutated,
)
from spillway.prove.mutants.service import sources
from spillway.prove.simulate.kill import kill_all

SHOP = {
    "shop.py": """
class Shop:
    def sell(self, item):
        # A comment is no part of the program.
        if (self.stock [item] > 0):
            self.log(item)
            self.ship(item, to="home",
                      again=False)
        else:
            self.log(item)
        return "sold"

def outer():
    def inner():
        return 1
    return inner
"""
}
#: Two that take few seeds. `spillway simulate --controls` tries all of them.
QUICK = ("order-overwritten", "undone-once")


def body_of(sources: Mapping[str, str], *path: str) -> str:
    scope: ast.Module | ast.ClassDef | ast.FunctionDef = ast.parse(sources["shop.py"])
    for name in path:
        definitions = [x for x in scope.body if isinstance(x, ast.ClassDef | ast.FunctionDef)]
        [scope] = [each for each in definitions if each.name == name]
    return "\n".join(map(ast.unparse, scope.body))


@cache
def dump_of(source: str) -> str:
    return ast.dump(ast.parse(source))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_changes_the_files_it_names_and_is_still_python(mutant: Mutant) -> None:
    changed = mutated([mutant], sources())
    files = {file for file in changed if changed[file] != sources()[file]}
    assert files == {mutation.file for mutation in mutant.mutations}
    for file in files:
        assert dump_of(changed[file]) != dump_of(sources()[file])


def test_every_mutant_has_a_name_and_a_sentence_of_its_own() -> None:
    assert len({each.name for each in MUTANTS}) == len({each.sentence for each in MUTANTS})
    assert len({each.name for each in MUTANTS}) == len(MUTANTS) == 123


@pytest.mark.parametrize(
    ("mutation", "holds", "lacks"),
    [
        (DropStatement("shop:Shop.sell", "self.ship"), "pass", "ship"),
        (ReplaceExpression("shop:Shop.sell", "self.stock[item] > 0", "True"), "if True", "stock"),
        (ReplaceExpression("shop:Shop.sell", "'sold'", "'lost'"), "return 'lost'", "sold"),
        (ReplaceStatement("shop:Shop.sell", "ship", "original\noriginal2()"), "original2()", "?"),
        (ReplaceBody("shop:Shop.sell", "try:\n    original\nfinally:\n    end()"), "end()", "?"),
        (ReplaceBody("shop:Shop.sell", "return 0"), "return 0", "self"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Mutation) else "",
)
def test_a_mutation_changes_its_place_and_no_other(
    mutation: Mutation, holds: str, lacks: str
) -> None:
    changed = mutation.applied(SHOP)
    assert holds in body_of(changed, "Shop", "sell")
    assert lacks not in body_of(changed, "Shop", "sell")
    assert body_of(changed, "outer") == body_of(SHOP, "outer")


def test_a_statement_is_replaced_where_it_was_with_the_original_inside() -> None:
    around = ReplaceStatement(
        "shop:Shop.sell", "ship", "try:\n    original\nexcept Lost:\n    pass"
    )
    assert "try:\n        self.ship(item, to='home', again=False)\n    except Lost:" in body_of(
        around.applied(SHOP), "Shop", "sell"
    )


def test_a_function_inside_a_function_is_a_target() -> None:
    changed = ReplaceBody("shop:outer.inner", "return 2").applied(SHOP)
    assert "return 2" in body_of(changed, "outer", "inner")


@pytest.mark.parametrize(
    ("mutation", "sought"),
    [
        (DropStatement("shop:Shop.buy", "ship"), "`buy`"),
        (DropStatement("store:Shop.sell", "ship"), "`Shop`"),
        (DropStatement("shop:Shop", "ship"), "a function"),
        (DropStatement("shop:Shop.sell", "pay"), "a statement that calls `pay`"),
        (DropStatement("shop:Shop.sell", "self.log"), "a statement that calls `self.log`"),
        (ReplaceExpression("shop:Shop.sell", "item", "None"), "the expression `item`"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_place_that_is_missing_or_there_twice_is_named(mutation: Mutation, sought: str) -> None:
    with pytest.raises(TargetMissing) as missing:
        mutated([Mutant("thief", "it steals", mutation)], SHOP)
    for part in ("thief", mutation.target, sought, "mutants/catalogue.py"):
        assert part in str(missing.value)


def test_a_mutant_leaves_the_service_itself_as_it_is() -> None:
    before = dict(sources())
    mutated(MUTANTS[:1], sources())
    assert sources() == before


def test_a_process_runs_the_mutated_service_whatever_it_has_imported() -> None:
    asks = (
        "import orders.flow.intake, spillway.prove.simulate.schedule;"
        "from spillway.prove.simulate.kill import apply; apply('clash-is-retry');"
        "import inspect, orders.flow.intake as intake; print(intake.__spec__.origin);"
        "from spillway.prove.simulate.plan import planned;"
        "from spillway.prove.simulate.schedule import run;"
        "print(any(run(planned(seed)).broken for seed in range(60)))"
    )
    done = subprocess.run(  # noqa: S603 -- the command is ours
        [sys.executable, "-c", asks], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n") == ["mutated flow/intake.py", "True", ""]


def test_mutants_are_killed() -> None:
    results = list(kill_all(QUICK, jobs=2))
    assert [result.name for result in results] == list(QUICK)
    assert all(result.seeds and result.broken for result in results)
