"""The demo: a throw-away PostgreSQL with a realistic TinkuBot, and every phase run on it as production runs it.

Both installations, one after the other: the one whose dates and JSON are text, then the one with their own types, which stays.

python -m tools.demo up      anew each time
python -m tools.demo down    removes everything that up made
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from tests import sample
from tests.sample.supabase import DEFAULT_OWNER
from tools import postgres_server

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
CUSTOMERS = 2000
DATABASES = {"tinkubot_text": "text", "tinkubot": "jsonb"}  # with the installation of each; the last is left to be looked at


def environment() -> dict[str, str]:
    """The caller's environment, without what would lead to another database: DATABASE_URL wins over the inventory."""
    return {name: value for name, value in os.environ.items() if name != "DATABASE_URL" and not name.startswith("PG")}


def commands() -> list[list[str]]:
    """What the demo runs in playbooks/: the phases in order, the state at the end, and what was left out.

    Not fase5: it refuses while rows are in quarantine and the sample's own objects hang on the legacy tables.
    """
    phases = [path.stem for path in sorted((ROOT / "playbooks").glob("fase[0-4].yml"))]
    calls = [*([name] for name in phases), ["estado"], ["estado", "--tags", "cuarentena"]]
    return [["ansible-playbook", f"{name}.yml", "-i", "demo", *tags] for name, *tags in calls]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def make_sample(server: postgres_server.PostgresServer, database: str) -> str:
    """Fill a new database as a TinkuBot that has been running for a while; the address of its owner, no superuser."""
    password = secrets.token_urlsafe(18)
    sample.build(server.url(), database, installation=DATABASES[database], rows=CUSTOMERS, password=password)
    return server.url(database, DEFAULT_OWNER, password)


def up() -> int:
    """Start over, run everything, leave the database running; the exit code of the first command that fails."""
    down()
    server = postgres_server.start_in(HOME)
    print(f"PostgreSQL en marcha en {server.host}:{server.port}", flush=True)
    for database, installation in DATABASES.items():
        print(f"\nLlenando la base {database} (instalación {installation}) …", flush=True)
        write_private(HOME / "database_url", make_sample(server, database))
        for command in commands():
            print(f"\n$ {' '.join(command)}", flush=True)
            code = subprocess.run(command, cwd=ROOT / "playbooks", env=environment(), check=False).returncode
            if code:
                print(f"make demo: «{' '.join(command)}» terminó con código {code}; la base {database} sigue en marcha.")
                return code
    print(
        f"\nLa base {database} sigue en marcha; su dirección está en .demo/database_url. Por ejemplo:\n"
        "  cd playbooks && source ../.venv/bin/activate\n"
        "  ansible-playbook fase3.yml -i demo --tags verify\n"
        "  ansible-playbook fase5.yml -i demo --check    (dice qué falta para retirar las tablas legacy)\n"
        "  ansible-playbook fase4.yml -i demo --tags rollback\n"
        "  ansible-playbook fase3.yml -i demo --tags rollback\n"
        "Para quitarlo todo: make demo-down"
    )
    return 0


def down() -> int:
    """Stop the server and remove what the demo made."""
    postgres_server.stop_in(HOME)
    shutil.rmtree(HOME, ignore_errors=True)  # nothing may have been made
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="The demo of the migration.")
    parser.add_argument("verb", choices=("up", "down"))
    try:
        return up() if parser.parse_args().verb == "up" else down()
    except postgres_server.ServerError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
