"""The live half of fase4's gate: who wrote to a legacy table, and until when that holds the phase."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from plugins.module_utils.core.rewrite.quiet import LegacyWrite, LegacyWriters

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


def wrote(hours_ago: float) -> LegacyWrite:
    return LegacyWrite("customers", "authenticated", "ai", NOW - timedelta(hours=hours_ago))


def test_a_write_holds_the_phase_until_the_hours_have_passed() -> None:
    said = LegacyWriters((wrote(5), wrote(30)), 24, NOW).objection()
    assert "customers por authenticated, «ai», hace 300 min 00 s" in said
    assert "se cumple el 2026-12-02 07:00 UTC" in said
    assert LegacyWriters((wrote(24), wrote(30)), 24, NOW).objection() == ""
    assert LegacyWriters((wrote(0),), 0, NOW).objection() == ""


def test_what_nobody_counts_is_no_silence() -> None:
    assert "Nadie cuenta quién escribe en users" in LegacyWriters((), 24, NOW, ("users",)).objection()
    assert LegacyWriters((), 0, NOW, ("users",)).objection() == ""
