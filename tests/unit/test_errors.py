"""Every message says what is wrong, what was left and the next move; the phase stands in front of it, once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugins.module_utils.core import errors
from plugins.module_utils.core.errors import (
    COMMITTED_STAYS,
    NOTHING_CHANGED,
    READ_ONLY_STEP,
    UNSETTLED,
    MigrationError,
    RepeatedError,
)
from plugins.module_utils.core.server.sqlstate import CLASSES, LOST, SENTENCES, UNKNOWN, explain

PLUGINS = Path(__file__).parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PLUGINS.rglob("*.py"))}
ERRORS = {"MigrationError", "BlockedError"}
Function = ast.FunctionDef | ast.ClassDef


# --- the text


def test_a_message_is_what_was_left_and_the_next_move() -> None:
    error = MigrationError("falta la tabla clientes", left=NOTHING_CHANGED, move="Ejecute fase1.yml.")
    assert str(error) == "falta la tabla clientes. No se cambió nada. Ejecute fase1.yml."
    assert (error.what, error.left, error.move) == ("falta la tabla clientes", "No se cambió nada.", "Ejecute fase1.yml.")
    assert (error.code, error.details) == ("error", {})


def test_a_sentence_with_its_own_period_gets_no_second_one() -> None:
    assert str(MigrationError("Uno. Dos.", left=COMMITTED_STAYS, move="Repita.")) == "Uno. Dos. Lo ya confirmado queda. Repita."


def test_a_list_stands_in_lines_of_its_own() -> None:
    assert (
        str(MigrationError("no", left=NOTHING_CHANGED, move="\n  [window] cerrada"))
        == "no. No se cambió nada.\n  [window] cerrada"
    )


def test_what_another_module_said_is_said_again_as_it_is() -> None:
    error = RepeatedError("fase1: no. Nada. Repita. (El resumen está arriba.)", code="refused", details={"lines": ["una"]})
    assert str(error) == "fase1: no. Nada. Repita. (El resumen está arriba.)"
    assert (error.code, error.details) == ("refused", {"lines": ["una"]})


@pytest.mark.parametrize("state", [*SENTENCES, *(f"{start}XXX" for start in CLASSES), "XX000"])
def test_a_servers_error_says_what_the_caller_knows_was_left(state: str) -> None:
    error = explain(state, "the words of the server", "public.clientes", "escribir", left=NOTHING_CHANGED)
    sentence, move = SENTENCES.get(state) or CLASSES.get(state[:2]) or UNKNOWN
    assert str(error) == (
        f"escribir: {sentence} (public.clientes). SQLSTATE {state}; el servidor dijo: the words of the server. "
        f"{UNSETTLED if state.startswith(LOST) else NOTHING_CHANGED} {move}"
    )


@pytest.mark.parametrize("left", [READ_ONLY_STEP, COMMITTED_STAYS])
def test_a_lost_connection_leaves_true_what_holds_whether_or_not_its_last_commit_arrived(left: str) -> None:
    assert f"SQLSTATE 08006. {left} " in str(explain(None, "", left=left))


# --- the calls


def calls(names: set[str]) -> Iterator[tuple[str, ast.Call]]:
    """Every call of these names in plugins/, with the place."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield f"{path.relative_to(PLUGINS)}:{node.lineno}", node


def literal_start(node: ast.expr) -> str:
    """How a text that stands in the code begins; inserted values as they are written."""
    if isinstance(node, ast.JoinedStr):
        return "".join(literal_start(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return literal_start(node.left)
    if isinstance(node, ast.FormattedValue):
        return f"{{{ast.unparse(node.value)}}}"
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def test_every_error_is_given_what_was_left_and_the_next_move_by_name() -> None:
    found = list(calls(ERRORS))
    assert len(found) > 40
    for place, call in found:
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        assert {"left", "move"} <= set(given), place
        assert None not in given, f"{place}: **kwargs"
        for name in ("left", "move"):
            assert literal_start(given[name]).strip(), f"{place}: {name} is empty"


def test_no_message_brings_its_phase_along() -> None:
    for place, call in calls(ERRORS):
        assert not re.match(r"fase\d:|\{[\w.]*phase\}:", literal_start(call.args[0])), place


def test_the_known_subclasses_are_all_there_are() -> None:
    subclasses = {
        node.name
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(isinstance(base, ast.Name) and base.id in ERRORS for base in node.bases)
    }
    assert subclasses == ERRORS - {"MigrationError"} | {"RepeatedError"}


def test_only_who_tells_a_failure_on_repeats_a_text() -> None:
    assert {place.split(":")[0] for place, _ in calls({"RepeatedError"})} == {
        "module_utils/jobs/migration_phase.py",
        "module_utils/phase/failing.py",
    }


def test_what_was_left_is_a_sentence() -> None:
    constants = [value for name, value in vars(errors).items() if name.isupper()]
    assert len(constants) == 5
    assert all(re.fullmatch(r"[A-Z].*\.", value) for value in constants)


# --- the docstrings


def public(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Public functions, and public methods of public classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function) and not node.name.startswith("_"):
            if isinstance(node, ast.FunctionDef):
                yield node
            else:
                yield from public(node)


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What belongs to a function itself, not to one that is defined in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from own_nodes(child)


def makers() -> set[str]:
    """The names of the functions that return an error, and of the errors themselves."""
    return (
        ERRORS
        | {"RepeatedError"}
        | {
            node.name
            for tree in TREES.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.returns is not None and ast.unparse(node.returns) in ERRORS
        }
    )


def raises(function: ast.FunctionDef, names: set[str]) -> bool:
    """Whether the function's own lines raise one of them."""
    made = (node.exc.func for node in own_nodes(function) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call))
    return any((func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")) in names for func in made)


def test_a_public_function_that_raises_says_so() -> None:
    names = makers()
    silent = [
        f"{path.relative_to(UTILS)}: {function.name}"
        for path in TREES
        if path.is_relative_to(UTILS)
        for function in public(TREES[path])
        if raises(function, names) and not re.search(r"\b(raises?|refuses?)\b", ast.get_docstring(function) or "", re.IGNORECASE)
    ]
    assert not silent
