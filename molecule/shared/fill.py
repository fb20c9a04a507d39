"""Build the sample database ``tinkubot`` on a scenario's server.

fill.py SUPERUSER_URL INSTALLATION ROWS; its owner gets the password ``molecule``.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.sample.build import build

if __name__ == "__main__":
    url, installation, rows = sys.argv[1:]
    build(url, "tinkubot", installation=installation, rows=int(rows), password="molecule")
