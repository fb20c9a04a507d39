"""Forward SELECTs with a mistake, and Spanish rows that go by it: all that reads them agrees, and is wrong."""

from __future__ import annotations

from .databases import Database


def lying_view(database: Database, view: str, truth: str, lie: str, rows: str = "") -> None:
    """Let a view of schema migracion say ``lie`` where its text says ``truth``; ``rows`` makes the Spanish rows say so too.

    What fase0 approved is not touched, and the view keeps the fingerprint of what was installed.
    """
    text = str(database.value("SELECT pg_get_viewdef(%s::regclass)", (f"migracion.{view}",)))
    assert truth in text, text
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(f"CREATE OR REPLACE VIEW migracion.{view} AS {text.replace(truth, lie)}")
        if rows:
            cursor.execute(rows)


def unnamed_otherwise(database: Database) -> None:
    """Another name for the customers who have none, in the view and in the table."""
    renamed = "UPDATE clientes SET nombre_completo = 'Otro' WHERE id IN (SELECT id FROM customers WHERE full_name IS NULL)"
    lying_view(database, "v_customers_clientes", "'Cliente TinkuBot'", "'Otro'", renamed)
