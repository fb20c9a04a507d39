"""Faults put into the rewriter on purpose: the corpus finds each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CORE = "plugins/module_utils/core/rewrite"
PLANTED = {
    "a column not renamed": (f"{CORE}/chain_plan.py", "self.changes.rename(text, start, column.legacy, column.name)", "pass"),
    "an order not renamed": (
        f"{CORE}/chain_plan.py",
        "self.changes.rename(text, first + offset, column.legacy, column.name)",
        "pass",
    ),
    "a value not translated": (f"{CORE}/conditions.py", "return [] if new == literal else [inside(node, new)]", "return []"),
    "an alias dropped": (f"{CORE}/select_lists.py", 'f"{column.legacy}:{column.name}"', "column.name"),
    "a storage bucket edited": (f"{CORE}/analysis.py", 'node.name in ("storage", "vecs", "analytics")', "False"),
    "an offset kept": (
        f"{CORE}/times.py",
        'moment.astimezone(UTC).replace(tzinfo=None).isoformat("T" if "T" in text else " ")',
        "text",
    ),
    "a time without zone taken for UTC": (f"{CORE}/times.py", "if moment.tzinfo is None:", "if False:"),
    "a local time taken for UTC": (f"{CORE}/times.py", "if not _utc_text(scopes, node, 0):", "if False:"),
    "a condition's choice taken for sure": (f"{CORE}/chain_plan.py", "link.call) <= always:", "link.call) <= always and False:"),
    "two choices of one table": (
        f"{CORE}/chain_plan.py",
        "said.setdefault(name, word) != word:",
        "not said.setdefault(name, word):",
    ),
    "any client": (f"{CORE}/analysis.py", "shown = self.clients.is_client(file, start.func.of)", "shown = True"),
    "any library": (f"{CORE}/clients.py", "all(_LIBRARY.match(i.module) for i in imports)", "True"),
    "another schema": (f"{CORE}/clients.py", "return all(self.schema == schema for schema in _schemas(node))", "return True"),
    "a shadowed name": (f"{CORE}/clients.py", "return False if isinstance(binding.node, Parameter) else None", "return None"),
    "the arm behind the flag edited": (f"{CORE}/analysis.py", "if behind_flag(scopes, start):", "if False:"),
    "what follows a return of the flag": (
        f"{CORE}/flag.py",
        "if any(_always_left(scopes, before) for before in _before(above, child)):",
        "if False:",
    ),
    "a row lacking a column": (f"{CORE}/payloads.py", "if self.new_row and (missing", "if False and (missing"),
    "a column that comes only sometimes": (f"{CORE}/payloads.py", "if _under_a_condition(self.scopes, key):", "if False:"),
    "a key that feeds two columns": (f"{CORE}/payloads.py", "if column.feeds:", "if False:"),
    "NULL written": (f"{CORE}/payloads.py", "if empty and (", "if False and ("),
    "another type of user written": (f"{CORE}/payloads.py", "if not same or len(table.entries) == 1:", "if False:"),
    "on_conflict without a key": (f"{CORE}/chain_plan.py", "if not self.target.unique(spanish):", "if False:"),
    "an embed without a foreign key": (f"{CORE}/targets.py", "if len(ties) == 1 and (", "if True or ("),
    "columns that * loses": (f"{CORE}/analysis.py", "if plan.lost:", "if False:"),
    "rows of a write read": (
        f"{CORE}/analysis.py",
        'if chain.verb != "select" and scopes.file.language == "python":',
        "if False:",
    ),
    "a builder that leaves": (f"{CORE}/chains.py", 'raise LeftAloneError("builder_escapes", name)', "return"),
    "a variable of two builders": (f"{CORE}/chains.py", "if not _is_own(binding.value, chain, target.id) or", "if False or"),
    "a constant with other uses": (f"{CORE}/analysis.py", "and not other_uses(", "and True or other_uses("),
    "an order by translated words": (
        f"{CORE}/chain_plan.py",
        "if column.translated:\n                raise",
        "if False:\n                raise",
    ),
    "a pattern on translated words": (f"{CORE}/conditions.py", "if column.translated and op not in EQUALITY:", "if False:"),
    "NULL asked where a default is": (f"{CORE}/conditions.py", 'if op == "is" and null:', "if False:"),
    "an unknown method passed by": (f"{CORE}/chain_plan.py", 'raise LeftAloneError("unknown_method", method)', "return"),
    "SQL of a query in another": (f"{CORE}/sql_plan.py", "            if deep or (", "            if False and ("),
    "a sentence taken for SQL": (f"{CORE}/sql_plan.py", 'if kind == "select_stmt" and not body.get("target_list"):', "if False:"),
    "every row deleted": (f"{CORE}/sql_plan.py", 'if kind == "delete_stmt" and "where_clause" not in body:', "if False:"),
    "an output without its key": (
        f"{CORE}/sql_plan.py",
        'if not result.get("name") and column.name != column.legacy:',
        "if False:",
    ),
    "a parameter of a translated column": (
        f"{CORE}/sql_plan.py",
        "if literal is None:",
        "if literal is None: return\n        if False:",
    ),
    "a subscription not listed": (
        f"{CORE}/uses.py",
        'return "realtime" if _subscribed(file, table) else "text_use"',
        'return ""',
    ),
    "a REST path not listed": (f"{CORE}/uses.py", 'return "rest_path"', 'return ""'),
    "a setting not listed": (f"{CORE}/plain_uses.py", 'yield number, "configuration", line', "pass"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_the_corpus_finds_a_planted_fault(name: str, tmp_path: Path) -> None:
    path, old, new = PLANTED[name]
    for folder in ("plugins/module_utils", "tests/support", "tests/unit/rewrite", "files/mapping"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (tmp_path / path).read_text(encoding="utf-8")
    assert text.count(old) >= 1
    (tmp_path / path).write_text(text.replace(old, new, 1), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-qx",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "tests/unit/rewrite/test_corpus.py",
    ]
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout[-2000:]
