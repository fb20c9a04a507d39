"""Every message that names a command has a test that takes the command out of it and runs it: none is forgotten."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.named import arguments_in, commands_in, statements_in

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
# Where people are spoken to; what a module documents and what names a file of its own is none of it.
SPEAKING = [*PLUGINS.glob("module_utils/**/*.py"), *PLUGINS.glob("plugin_utils/*.py"), *PLUGINS.glob("action/*.py")]
NAMES = re.compile(
    r"ansible-playbook(?! ya)|(?:fase\d|estado|\{\})\.yml|--tags (?:verify|rollback|cuarentena)"
    r"|-e ('|\w+=|$)|-i (?:demo|staging|prod)\b|make [a-z]+\.|export \w"
    r"|: (?:GRANT|ALTER|DROP|DELETE FROM|UPDATE|SELECT)\b|NO FORCE ROW|UPDATE \{\} SET"
)
# What no test can bring about or run as it stands, and why.
NOT_RUN = {
    "core/mapping/file": "explains a key of the mapping to its editor",
    "core/phase/command_line": "finds the commands that the jobs name, to spell them as they are typed",
    "core/phase/command_line.text": "makes the commands that all others name",
    "server/connect.connect": "wants a Python without psycopg2; test_house.py: make has that target",
}


def literals(node: ast.AST, where: str) -> Iterator[tuple[str, str]]:
    """Each text with its innermost function; inserted values as {}, docstrings left out; a printed command as its program."""
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from literals(child, child.name)
        elif isinstance(child, ast.JoinedStr):
            yield where, "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in child.values)
            for part in child.values:
                if isinstance(part, ast.FormattedValue):
                    yield from literals(part, where)
        elif isinstance(child, ast.Constant):
            yield where, child.value if isinstance(child.value, str) else ""
        elif not (child is first and isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
            if isinstance(child, ast.Attribute) and child.attr == "text" and re.search(r"\b[Cc]ommand\b", ast.unparse(child)):
                yield where, "ansible-playbook"
            yield from literals(child, where)


def naming() -> set[str]:
    """The places that name a command, as file and function."""
    found = set()
    for path in SPEAKING:
        name = path.relative_to(PLUGINS).with_suffix("").as_posix().removeprefix("module_utils/")
        for where, text in literals(ast.parse(path.read_text(encoding="utf-8")), ""):
            if NAMES.search(text):
                found.add(f"{name}.{where}" if where else name)
    return found


def run_by_tests() -> set[str]:
    """The places whose commands a test runs, by its mark."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "names":
                found |= {ast.literal_eval(argument) for argument in node.args}
    return found


def test_every_place_that_names_a_command_has_a_test_that_runs_it() -> None:
    assert naming() == run_by_tests() | set(NOT_RUN)
    assert not run_by_tests() & set(NOT_RUN)


def test_commands_are_taken_as_they_stand() -> None:
    text = (
        "Deshaga antes: ansible-playbook fase2.yml --tags rollback con el mismo -i.\n"
        """  ansible-playbook ../p/fase1.yml -i prod -e '{"a": "b c"}' --check; y después fase0.yml."""
    )
    assert commands_in(text, ("-i", "demo")) == [
        ["ansible-playbook", "fase2.yml", "--tags", "rollback", "-i", "demo"],
        ["ansible-playbook", "../p/fase1.yml", "-i", "prod", "-e", '{"a": "b c"}', "--check"],
        ["ansible-playbook", "fase0.yml", "-i", "demo"],
    ]
    assert commands_in("no hay: fase.yml, fase2") == []


def test_statements_and_arguments_are_taken_as_they_stand() -> None:
    text = "Pida: ALTER TABLE public.a OWNER TO b; y repita. O si no: DROP SCHEMA c CASCADE (y lo demás). O: GRANT d TO e"
    assert statements_in(text) == ["ALTER TABLE public.a OWNER TO b", "DROP SCHEMA c CASCADE", "GRANT d TO e"]
    assert arguments_in("""O pase así: -e '{"overrides": {"disk": "MOTIVO"}}'. (-e backup_dir=/ruta).""") == [
        ["-e", '{"overrides": {"disk": "MOTIVO"}}'],
        ["-e", "backup_dir=/ruta"],
    ]
