"""Write requirements.lock: the closure of pyproject.toml's ranges, as pip resolves it today in an empty venv."""

from __future__ import annotations

import subprocess
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Exact versions that the tests ran with, the whole closure of pyproject.toml. Written by: make lock\n"


def main() -> None:
    """Resolve, freeze, write."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ranges = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [f"{folder}/bin/python", "-Im", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", *ranges], check=True)
        frozen = subprocess.run([*pip, "freeze"], check=True, stdout=subprocess.PIPE, text=True).stdout
    (ROOT / "requirements.lock").write_text(HEADER + frozen, encoding="utf-8")


if __name__ == "__main__":
    main()
