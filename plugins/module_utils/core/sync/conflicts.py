"""Errors that a service sees because of the sync, counted by table: a statement that is rolled back can write nothing, but what
a sequence gave out stays given."""

from __future__ import annotations

from collections.abc import Iterable

from ..bookkeeping import BOOKKEEPING, FLAG
from ..sqltext import derived_name, literal, qname

CONFLICTS = "conflictos"  # what the sequences' names begin with


def conflict_name(table: str) -> str:
    """Return the name of the sequence that counts for the writers of a table."""
    return derived_name(CONFLICTS, table)


def conflict_sequence(table: str) -> str:
    """Return it qualified."""
    return qname(BOOKKEEPING, conflict_name(table))


def conflict_sequences(tables: Iterable[str]) -> list[str]:
    """Return the statements that make the sequences of these tables, each once."""
    return [f"CREATE SEQUENCE IF NOT EXISTS {conflict_sequence(table)}" for table in dict.fromkeys(tables)]


def conflict_counted(table: str) -> str:
    """Return the step of a trigger's handler that counts the error which the service is about to see.

    It takes no lock that anybody holds. Inside a write of ours nothing is counted: the trigger that began it counts.
    """
    return (
        f"IF coalesce(current_setting({literal(FLAG)}, true), '') = '' THEN\n"
        f"      PERFORM nextval(to_regclass({literal(conflict_sequence(table))}));\n"
        "    END IF;"
    )
