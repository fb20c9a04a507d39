"""The legacy table of the invented shop, and rows whose keys want quoting."""

from __future__ import annotations

from .databases import Database

LINES = """public."Order's ""50%"" lines\""""
LOTS = [
    *[
        ("a|b", "c", "1"),
        ("a", "b|c", "2"),
        ("a\\", "|b", "3"),
        ("a\\|", "b", "4"),
        ("a", "\\|b", "5"),
        ("", "", "6"),
        ("|", "|", "7"),
    ],
    *[
        ("\\", "\\", "8"),
        ("%s", "%(x)s", "9"),
        ("'", '"', "10"),
        ("{x}", "$1", "11"),
        ("Lote", "group", "12"),
        ("ñ", "\t\n", "13"),
    ],
    *[(f"lote {n}", f"{n % 7}|{n}", f"u{n:04d}") for n in range(40)],
    *[("largo", "x", "y" * 21), ("largo", "z", "y" * 20 + " ")],
]
STATES = ["yes", "off", "it's 50%", "sí", None, "d'ocasión", "no", "YES"]
PRICES = ["9.999", "0", None, "9999.994", "9999.995", "-0.001", "-0.01", "NaN", "1"]


def shop(database: Database, lots: list[tuple[str, str, str]]) -> None:
    """The legacy table of tests/support/shop.yml, with a state and a price of each kind in turn."""
    with database.cursor(database.url) as cursor:
        cursor.execute(
            f'CREATE TABLE {LINES} ("Lot|No" text, "select" text, "user" text UNIQUE, "PRICE %s" numeric, "State" text,'
            ' "Sold At" timestamptz, "back\\slash" text, PRIMARY KEY ("Lot|No", "select"))'
        )
        for number, lot in enumerate(lots):
            row = (*lot, PRICES[number % len(PRICES)], STATES[number % len(STATES)])
            cursor.execute(f"INSERT INTO {LINES} VALUES (%s, %s, %s, %s, %s)".replace("50%", "50%%"), row)
