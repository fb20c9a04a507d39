"""No statement deletes or overwrites a row that it does not name: by its key, or by a condition on our own bookkeeping."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.rows.routes import routes_of
from plugins.module_utils.core.sqltext import ident, qname
from tests.support.catalogues import fitting
from tests.unit.test_sql_files import FILES, MAPPINGS, REFERENCE, ROOT

PLUGINS = ROOT / "plugins"
OURS = ("migracion.", "{BOOKKEEPING}.", "{TABLE}", "{MODES}", "{STAYING}", "{WRITERS}")
CHANGES = re.compile(
    r"\b(DELETE FROM(?: ONLY)?|(?<!FOR )(?<!KEY )(?<!ON )UPDATE(?: ONLY)?|TRUNCATE(?! ON\b)|MERGE INTO)"
    r""" +((?:"(?:[^"]|"")*"|\{[^{}]*\}|[\w%.])+)"""
)
UPSERT = re.compile(r"\bINSERT INTO (\S+)(?:(?!\bINSERT INTO\b).)*?\bON CONFLICT\b\s*(\([^)]*\))?[^;]*?\bDO UPDATE\b", re.DOTALL)
# Statements without such a WHERE, or of which another text holds it, each with its reason.
LISTED = {
    "backfill/undo.py: DELETE FROM {leaving}": "a way back: the rows that no other pair gives; `leaving` ends in its WHERE, and "
    "what only the Spanish table holds was kept in apartada before, under ACCESS EXCLUSIVE",
    "backfill/undo.py: TRUNCATE {', '.join((qname(mapping.schema, n) for n in tables))}": "a way back empties the "
    "Spanish tables; what only they hold was kept in apartada before, under ACCESS EXCLUSIVE",
    "backfill/undo.py: DELETE FROM {BOOKKEEPING}.progreso_copia": "`where` names both tables",
    "backfill/undo.py: DELETE FROM {BOOKKEEPING}.fusion": "`where` names both tables",
    "quarantine/waiving.py: UPDATE {BOOKKEEPING}.cuarentena": "its WHERE is the next line; in a transaction that is rolled back",
    "ledger/bookkeeping.py: DELETE FROM migracion.identidad": "a table of one row, in a text for the operator to run",
    "core/quarantine/corrections.py: UPDATE {route.source_table}": "a text for the operator: its WHERE is the next line",
    "core/quarantine/corrections.py: UPDATE {qname(route.schema, lookup.table)}": "a text for the operator: its WHERE follows",
    "quarantine/set_aside.py: UPDATE {target}": "a text for the operator: its WHERE follows",
    "quarantine/spanish_entries.py: DELETE FROM {qname(schema, table.name)}": "a text for the operator: its WHERE follows",
    "quarantine/spanish_entries.py: UPDATE {qname(schema, table.name)}": "a text for the operator: its WHERE is the next line",
    "sync/canary.py: DELETE FROM {qname(schema, canary.table.name)}": "its marked row, by its key; rolled back",
    "sync/canary.py: UPDATE {route.source_table}": "its marked row, by its key; rolled back",
    "server/published.py: UPDATE {name}": "put to EXPLAIN, WHERE false",
    "server/published.py: DELETE FROM {name}": "put to EXPLAIN, WHERE false",
}
# Of these rooms the statements on tables of the mapping are read as they are rendered.
RENDERED = ("core/backfill", "core/rows", "core/schema", "core/sync")


class Statement(NamedTuple):
    """``verb`` and ``table`` as written, ``rest``: what follows, to the end of the statement."""

    verb: str
    table: str
    rest: str


def statements(text: str) -> Iterator[Statement]:
    """Each DELETE, UPDATE, TRUNCATE and MERGE of a text; a trigger's or a grant's words for them are none."""
    for found in CHANGES.finditer(text):
        rest = text[found.end() : _end(text, found.end())]
        if found[1].startswith("UPDATE") and not re.search(r"\bSET\b", rest):
            continue
        yield Statement(found[1], found[2], rest)


def _end(text: str, start: int) -> int:
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth < 0 or text[at] == ";":
            return at
    return len(text)


def condition(statement: Statement) -> str:
    """What stands behind its own WHERE, '' where it has none."""
    depth = 0
    for found in re.finditer(r"[()]|\bWHERE\b", statement.rest):
        if found[0] == "WHERE" and depth == 0:
            return statement.rest[found.end() :].split("RETURNING")[0]
        depth += {"(": 1, ")": -1}.get(found[0], 0)
    return ""


def conjuncts(text: str) -> list[str]:
    """The parts of a condition that all have to hold; one part where some of them need not."""
    depth, parts, start = 0, list[str](), 0
    for found in re.finditer(r"[()]|\bCASE\b|\bEND\b|\bAND\b|\bOR\b", text):
        depth += {"(": 1, "CASE": 1, ")": -1, "END": -1}.get(found[0], 0)
        if depth == 0 and found[0] == "OR":
            return [text]
        if depth == 0 and found[0] == "AND":
            parts.append(text[start : found.start()])
            start = found.end()
    return [part.strip() for part in [*parts, text[start:]]]


def named(statement: Statement, keys: dict[str, list[list[str]]]) -> bool:
    """Whether its WHERE says which rows: all that of our own bookkeeping, the key's columns or the row's place of all else."""
    parts = conjuncts(condition(statement))
    if statement.verb.startswith(("TRUNCATE", "MERGE")) or parts == [""]:
        return False
    if statement.table.startswith(OURS):
        return True
    if any(part.startswith("t.ctid = ANY (") for part in parts):
        return True
    known = keys.get(statement.table, []) or keys.get(statement.table.replace("''", "'").replace("\\\\", "\\"), [])
    told = [part.replace("''", "'").replace("\\\\", "\\") for part in parts] + parts
    return any(all(any(part.startswith(f"{a}.{ident(n)} = ") for a in "tl" for part in told) for n in key) for key in known)


def literals(path: Path) -> Iterator[str]:
    """Every text of a Python file, an f-string as it is written, docstrings aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part is not node
    }
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in said or id(node) in inner:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(v.value if isinstance(v, ast.Constant) else "{" + ast.unparse(v.value) + "}" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_statement_of_python_names_its_rows_or_is_listed() -> None:
    unnamed = set()
    for path in sorted(PLUGINS.rglob("*.py")):
        where = path.relative_to(PLUGINS / "module_utils") if "module_utils" in path.parts else path.relative_to(PLUGINS)
        for text in literals(path):
            for statement in statements(text):
                shown = where.as_posix().startswith(RENDERED) and not statement.table.startswith(OURS)
                if not shown and not named(statement, {}):
                    unnamed.add(f"{where.as_posix()}: {statement.verb} {statement.table}")
    assert unnamed == set(LISTED)


@pytest.mark.parametrize("file", FILES)
def test_every_rendered_statement_names_its_rows(file: str) -> None:
    mapping_name, _, text = FILES[file]
    source = MAPPINGS.get(mapping_name) or (ROOT / "files/mapping/tinkubot.yml").read_text(encoding="utf-8")
    mapping = load_mapping(source, mapping_name)
    keys = {qname(mapping.schema, pair.target): [list(pair.match)] for pair in mapping.pairs}
    known = REFERENCE if mapping_name == "tinkubot" else fitting(mapping)
    for route in routes_of(mapping, known):  # several rows that meet in one Spanish row are deleted with it
        met = [c.source.name for m in route.pair.match if (c := route.carried_as(m))]
        keys[route.target_table].append(list(route.table.primary_key))
        keys[route.source_table] = [list(route.legacy.primary_key), *([met] if route.pair.duplicates else [])]
    bare = "\n".join(line.split("--")[0] if line.lstrip().startswith("--") else line for line in text.splitlines())
    assert [s for s in statements(bare) if not named(s, keys)] == []
    for table, target in UPSERT.findall(bare):
        assert table.startswith(OURS), f"{table}: an upsert may hit a row of another key"
        assert target, f"{table}: ON CONFLICT without its columns hits any unique value"


def test_an_upsert_of_python_names_what_it_may_meet() -> None:
    found = [(str(p), *hit) for p in sorted(PLUGINS.rglob("*.py")) for text in literals(p) for hit in UPSERT.findall(text)]
    assert len(found) >= 3
    assert [hit for hit in found if not hit[1].startswith(OURS) or not hit[2]] == []


@pytest.mark.parametrize(
    "broken",
    [
        "DELETE FROM public.clientes t",
        "DELETE FROM public.clientes t WHERE t.telefono = f.telefono",
        "DELETE FROM public.clientes t WHERE t.id = f.id OR t.telefono = f.telefono",
        "DELETE FROM public.clientes t WHERE NOT (t.id = f.id)",
        "UPDATE public.clientes t SET telefono = '' FROM f WHERE f.id = ANY (ARRAY(SELECT id FROM x WHERE t.id = f.id))",
        "UPDATE migracion.cuarentena SET estado = 'resuelta'",
        "TRUNCATE public.clientes",
        "MERGE INTO public.clientes t USING f ON t.id = f.id WHEN MATCHED THEN DELETE",
    ],
)
def test_a_statement_that_does_not_is_seen(broken: str) -> None:
    [statement] = statements(broken)
    assert not named(statement, {"public.clientes": ["id"]})
