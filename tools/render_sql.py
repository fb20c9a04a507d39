"""Renders files/sql from the mapping and the reference installation's catalogue, and the mapping's JSON schema.

``python tools/render_sql.py`` writes; ``--check`` changes nothing and exits 1 when a file is stale, missing or not rendered.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from plugins.module_utils.core.catalogue import from_json  # noqa: E402
from plugins.module_utils.core.mapping_file import load_mapping, schema_text  # noqa: E402
from plugins.module_utils.core.render import render  # noqa: E402

MAPPING = ROOT / "files/mapping/tinkubot.yml"
CATALOGUE = ROOT / "files/mapping/catalogo.json"


def wanted_files() -> dict[Path, str]:
    """Return every rendered file's path and text."""
    mapping = load_mapping(MAPPING.read_text(encoding="utf-8"), str(MAPPING.relative_to(ROOT)))
    texts = render(mapping, from_json(CATALOGUE.read_text(encoding="utf-8")))
    files = {ROOT / "files/sql" / name: text for name, text in texts.items()}
    return {**files, ROOT / "files/mapping/schema.json": schema_text()}


def stale_files() -> list[Path]:
    """Return the paths whose file is missing, differs from what is wanted, or is rendered no more."""
    wanted = wanted_files()
    present = set((ROOT / "files/sql").glob("fase*/*.sql"))
    differing = {path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text}
    return sorted(differing | (present - wanted.keys()))


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when a file is stale")
    check = parser.parse_args().check
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
