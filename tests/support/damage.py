"""What a server under pressure, a new C library or a bad disk does to tables: unique indexes that let repeats in, rows nobody can
read. Done with a superuser's rights, as damage is."""

from __future__ import annotations

from pathlib import Path

from tests.support.databases import Database


def let_repeats_in(database: Database, *statements: str, indexes: tuple[str, ...]) -> None:
    """Run statements that unique indexes would refuse; afterwards these say again that they are unique."""
    with database.cursor() as cursor:
        cursor.execute("SET allow_system_table_mods = on")
        flag = "UPDATE pg_index SET indisunique = %s WHERE indexrelid = ANY (%s::regclass[])"
        cursor.execute(flag, (False, list(indexes)))
        for statement in statements:
            cursor.execute(statement)
        cursor.execute(flag, (True, list(indexes)))


def damage_toast(database: Database, table: str, offset: int = 0, written: bytes = bytes(8192)) -> None:
    """Write over the table's TOAST file, as a bad disk does, while the server is stopped: zeros over its first page."""
    path = database.value(
        "SELECT pg_relation_filepath(t.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.relname = %s AND n.nspname = 'public'",
        (table,),
    )
    _write_over(database, path, offset, written)


def damage_page(database: Database, table: str) -> None:
    """Write over the table's own first page."""
    path = database.value("SELECT pg_relation_filepath(format('public.%%I', %s::text)::regclass)", (table,))
    _write_over(database, path, 0, b"\xff" * 8192)


def _write_over(database: Database, path: str, offset: int, written: bytes) -> None:
    database.query("CHECKPOINT")

    def write(data: Path) -> None:
        with (data / path).open("r+b") as file:
            file.seek(offset)
            file.write(written)

    database.server.restart(between=write)


def hide_from_index(database: Database, statement: str, index: str) -> None:
    """Run an INSERT of which the index learns nothing, as a crash without fsync may leave it."""
    with database.cursor() as cursor:
        cursor.execute("SET allow_system_table_mods = on")
        ready = "UPDATE pg_index SET indisready = %s WHERE indexrelid = %s::regclass"
        cursor.execute(ready, (False, index))
        cursor.execute(statement)
        cursor.execute(ready, (True, index))


def put_bytes(database: Database, statements: str) -> None:
    """Run statements in which E'' may give bytes that are no letters in UTF8, as a client or an extension with a fault does."""
    encoding = "UPDATE pg_database SET encoding = pg_char_to_encoding(%s) WHERE datname = %s"
    database.query(encoding, ("SQL_ASCII", database.name))
    with database.cursor() as cursor:
        cursor.execute(statements)
    database.query(encoding, ("UTF8", database.name))
