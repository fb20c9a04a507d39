"""The virtual schema of a dry run: everything that earlier phases make, in a transaction that is always rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..call.context import Context
from ..ledger import bookkeeping
from ..server import db
from .routines import install_helpers, install_routes
from .tables import make_tables, missing_tables


@contextmanager
def virtual_schema(context: Context) -> Iterator[None]:
    """A transaction that is always rolled back, in which everything earlier phases make exists.

    A dry run is the same path on this virtual schema: bookkeeping, helper functions, missing Spanish tables, views.
    """
    conn = context.conn
    with db.rolled_back(conn):
        bookkeeping.ensure_schema(conn)
        install_helpers(conn)
        make_tables(conn, context.mapping, context.catalogue, missing_tables(conn, context.mapping))
        install_routes(conn, context.all_routes)
        yield
