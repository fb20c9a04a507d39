"""Build a sample database from the command line.

python -m tests.sample --server .demo --database tinkubot --rows 20000
"""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from tools.postgres_server import load

from .build import INSTALLATIONS, PRIVILEGES, build
from .supabase import DEFAULT_OWNER


def main(arguments: Sequence[str] | None = None) -> int:
    """Build on the server whose state lies in ``--server``; the owner's address goes to a file of mode 0600 there."""
    parser = argparse.ArgumentParser(prog="tests.sample", description=__doc__)
    parser.add_argument("--server", type=Path, required=True, help="the --dir of tools/postgres_server.py")
    parser.add_argument("--database", default="tinkubot")
    parser.add_argument("--installation", choices=tuple(INSTALLATIONS), default="jsonb")
    parser.add_argument("--privileges", choices=PRIVILEGES, default="open")
    parser.add_argument("--rows", type=int, default=1000, help="customers; the other tables in proportion")
    parser.add_argument("--messages", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    server = load(options.server)
    if server is None or not server.is_alive():
        parser.error(f"no server runs in {options.server}: start it with tools/postgres_server.py")
    password = secrets.token_urlsafe(18)
    build(
        server.url(),
        options.database,
        installation=options.installation,
        rows=options.rows,
        messages=options.messages,
        privileges=options.privileges,
        seed=options.seed,
        password=password,
    )
    target = options.server / "database_url"
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(server.url(options.database, DEFAULT_OWNER, password) + "\n")
    print(f"database {options.database} built: {options.rows} customers; the owner's address: {target}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
