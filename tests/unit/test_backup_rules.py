"""Which backup serves, which may go, what the next one takes, and what pg_restore's words mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.module_utils.core.backup.keeping import (
    Keep,
    KnownBackup,
    expired,
    forecast_backup,
    parse_keep,
    room_objection,
    serving,
    window_objection,
)
from plugins.module_utils.core.backup.restoring import excepted, read_output

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
BOTH = frozenset({("public", "users"), ("public", "clientes")})


def known(name: str, days: float, **more: Any) -> KnownBackup:
    facts = {"scope": "completo", "good": True, "system": "1", "database": "b", "tables": BOTH, **more}
    return KnownBackup(name=name, created=NOW - timedelta(days=days), **facts)


def test_the_newest_good_one_of_the_same_database_with_all_the_tables_serves() -> None:
    listed = [known("viejo", 0.9), known("nuevo", 0.5), known("malo", 0.1, good=False), known("otra", 0.1, database="c")]
    found = serving(listed, known("", 0), NOW, 24, whole=True)
    assert found is not None
    assert found.name == "nuevo"


@pytest.mark.parametrize(
    "facts",
    [{"system": "2"}, {"database": "c"}, {"good": False}, {"tables": frozenset({("public", "users")})}, {"scope": "fase2"}],
    ids=str,
)
def test_one_that_is_not_it_does_not_serve(facts: dict[str, Any]) -> None:
    assert serving([known("r", 0.1, **facts)], known("", 0), NOW, 24, whole=True) is None


@pytest.mark.parametrize("days", [1.01, -0.01])
def test_one_that_is_too_old_or_of_a_time_to_come_does_not_serve(days: float) -> None:
    assert serving([known("r", days)], known("", 0), NOW, 24, whole=True) is None


def test_what_is_old_goes_unless_it_is_among_the_last_good_ones_or_named() -> None:
    listed = [known(f"r{days}", days) for days in (50, 45, 40, 35, 1)] + [known("malo", 60, good=False)]
    assert expired(listed, Keep(2, 30), NOW, frozenset({"r45"})) == ["r50", "r40", "malo"]


def test_the_last_good_one_of_each_kind_stays_whatever_came_after_it() -> None:
    listed = [known("bueno", 90), known("parte", 80, scope="fase2"), *(known(f"m{n}", 40, good=False) for n in range(9))]
    assert expired(listed, Keep(1, 30), NOW) == [f"m{n}" for n in range(9)]


def test_nothing_goes_by_a_clock_that_is_behind_the_newest_one() -> None:
    assert expired([known("r", 90), known("s", 80), known("mañana", -1)], Keep(1, 0), NOW) == []


@pytest.mark.parametrize("value", [{}, {"count": 0, "days": 1}, {"count": "x", "days": 1}, {"count": True, "days": 1}, [7]])
def test_a_rule_that_would_keep_nothing_or_says_nothing_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="se espera"):
        parse_keep(value)


def test_a_forecast_goes_by_what_the_last_backup_took() -> None:
    assert forecast_backup(6e9, []).seconds == 500
    assert forecast_backup(6e9, [(60e6, 1.0), (600e6, 20.0)]).seconds == 120


def test_what_does_not_fit_is_refused_with_the_reason() -> None:
    forecast = forecast_backup(6e9, [])
    assert "la ventana cierra en 1 min 00 s" in window_objection(forecast, 60)
    assert window_objection(forecast, 600) == window_objection(forecast, float("inf")) == ""
    assert "scratch_dir tiene 1 GB libres" in room_objection(forecast, 4e9, 1.2e9, same_disk=False)
    assert "mismo disco" in room_objection(forecast, 1.1e10, 1.1e10, same_disk=True)
    assert room_objection(forecast, 4e9, 1e10, same_disk=False) == ""


SAID = """pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3; 3079 16390 EXTENSION pg_net (no owner)
pg_restore: error: could not execute query: ERROR:  extension "pg_net" is not available
Command was: CREATE EXTENSION pg_net;
pg_restore: from TOC entry 260; 1259 16400 TABLE consents postgres
pg_restore: error: could not execute query: ERROR:  function extensions.x() does not exist
pg_restore: error: could not execute query: ERROR:  relation "public.consents" does not exist
pg_restore: warning: errors ignored on restore: 3
"""
LISTED = [
    "; Archive created at 2026-12-01",
    "3; 3079 16390 EXTENSION - pg_net ",
    "260; 1259 16400 TABLE public consents postgres",
]


def test_every_error_that_was_counted_is_accounted_for_by_its_entry() -> None:
    found = read_output(1, SAID, LISTED)
    assert found.broken == ""
    assert [(entry.kind, entry.schema, entry.name) for entry in found.left_out] == [
        ("EXTENSION", "", "pg_net"),
        ("TABLE", "public", "consents"),
        ("TABLE", "public", "consents"),
    ]


@pytest.mark.parametrize(
    ("code", "said"),
    [(1, SAID.replace("restore: 3", "restore: 4")), (1, SAID[: SAID.rindex("pg_restore: warning")]), (-9, ""), (1, "")],
    ids=["one more", "no count", "killed", "silent"],
)
def test_an_exit_code_that_its_words_do_not_explain_is_no_restore(code: int, said: str) -> None:
    assert read_output(code, said, LISTED).broken


def test_what_the_providers_schemas_lack_is_listed_and_what_is_ours_is_not_forgiven() -> None:
    manifest: Any = SimpleNamespace(extensions=(SimpleNamespace(name="pg_net", schema="extensions"),))
    found = read_output(1, SAID, [line.replace("public", "auth") for line in LISTED])
    listed, ours = excepted(found.left_out, manifest)
    assert (listed, ours) == (["1 EXTENSION: pg_net", "1 TABLE: auth.consents"], [])
    _, ours = excepted(read_output(1, SAID, LISTED).left_out, manifest)
    assert {str(entry) for entry in ours} >= {"TABLE public.consents: function extensions.x() does not exist"}
