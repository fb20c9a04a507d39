"""Renders files/sql from the mapping and the reference installation's catalogue, and the mapping's JSON schema.

``python -m tools.render_sql`` writes; ``--check`` changes nothing and exits 1 when a file is stale, missing or not rendered;
``--catalogue`` first reads the reference catalogue anew, from the sample database on a server of its own
(``TEST_POSTGRES_BIN``: of that version; production runs 15, which knows no MAINTAIN).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from plugins.module_utils.core.catalogue import catalogue_from_json, catalogue_json
from plugins.module_utils.core.mapping.file import load_mapping, schema_text
from plugins.module_utils.core.render import render
from plugins.module_utils.server.connect import connect
from plugins.module_utils.server.live_catalogue import read_catalogue
from plugins.module_utils.server.policy_translation import translated

ROOT = Path(__file__).resolve().parent.parent
MAPPING = ROOT / "files/mapping/tinkubot.yml"
CATALOGUE = ROOT / "files/mapping/catalogo.json"


def wanted_files() -> dict[Path, str]:
    """Return every rendered file's path and text."""
    mapping = load_mapping(MAPPING.read_text(encoding="utf-8"), str(MAPPING.relative_to(ROOT)))
    texts = render(mapping, catalogue_from_json(CATALOGUE.read_text(encoding="utf-8")))
    files = {ROOT / "files/sql" / name: text for name, text in texts.items()}
    return {**files, ROOT / "files/mapping/schema.json": schema_text()}


def stale_files() -> list[Path]:
    """Return the paths whose file is missing, differs from what is wanted, or is rendered no more."""
    wanted = wanted_files()
    present = set((ROOT / "files/sql").glob("*/*.sql"))
    differing = {path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text}
    return sorted(differing | (present - wanted.keys()))


def read_reference() -> str:
    """Return the catalogue of the sample's jsonb installation as JSON text."""
    from tests.sample.build import build  # only here: the check in CI needs no server
    from tests.support.databases import Database
    from tools.postgres_server import launch

    mapping = load_mapping(MAPPING.read_text(encoding="utf-8"), str(MAPPING))
    chosen = os.environ.get("TEST_POSTGRES_BIN")
    with launch(Path(chosen) if chosen else None, fsync=False) as server:
        build(server.url(), "referencia", rows=100, messages=10)
        conn = connect(Database(server, "referencia").url, "referencia")
        try:
            return catalogue_json(translated(conn, mapping, read_catalogue(conn, mapping)))
        finally:
            conn.close()


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when a file is stale")
    parser.add_argument("--catalogue", action="store_true", help="read the reference catalogue anew first")
    arguments = parser.parse_args()
    check = arguments.check
    if arguments.catalogue:
        CATALOGUE.write_text(read_reference(), encoding="utf-8")
    stale, wanted = stale_files(), wanted_files()
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
        if check:
            continue
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    if check and stale:
        print("run: make sql", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
