"""Run the benchmark on a server of its own; the result goes to .bench/ and to the terminal.

python -m tests.bench --rows 200000      customers; a quarter as many users, five times as many messages
python -m tests.bench --sync only        the second part alone: what the sync costs whoever writes
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from tests.bench.contenders import Round, Times, empty_phase, remove_what_stops_the_plan
from tests.bench.report import as_markdown, machine, medians
from tests.bench.synced import Sizes, measure_sync
from tests.sample import describe
from tests.support.databases import Databases
from tests.support.reaper import reaped
from tools.postgres_server import launch

OUTPUT = Path(__file__).resolve().parents[2] / ".bench"
FOLLOWING = 500  # messages whose phone changes; more than propagation_rows would wait for a drain
SHOWN = ("customers", "users", "service_requests", "messages", "task_queue")


def measure(rows: int, messages: int | None, rounds: int, output: Path) -> str:
    """Build the rows, measure, write bench.json and bench.md into ``output``; the Markdown."""
    chosen = os.environ.get("TEST_POSTGRES_BIN")
    with tempfile.TemporaryDirectory() as folder, reaped(launch(Path(chosen) if chosen else None)) as server:
        databases, home = Databases(server), Path(folder)
        prepared = databases.sample(rows=rows, messages=messages)
        remove_what_stops_the_plan(prepared, home)
        sizes = describe(prepared.superuser_url)
        found: list[Times] = []
        for number in range(1, rounds + 1):
            print(f"Vuelta {number} de {rounds} …", flush=True)
            database = databases.copy(prepared.name)
            found.append(Round(database, home).run())
            databases.drop(database)
            database = databases.copy(prepared.name)
            both = Round(database, home)
            both.jobs.up_to_tables()
            both.copy("copy, 2 workers", 2)
            found[-1] |= both.times
            databases.drop(database)
            database = databases.copy(prepared.name)
            found[-1]["empty phase"] = {"": empty_phase(database, home)}
            databases.drop(database)
        version = prepared.value("SHOW server_version")
    result = {
        "machine": machine(version),
        "sizes": {name: sizes[name] for name in SHOWN},
        "rounds": rounds,
        "seconds": medians(found),
        "measured": found,
    }
    text = as_markdown(result)
    output.mkdir(exist_ok=True)
    (output / "bench.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    (output / "bench.md").write_text(text, encoding="utf-8")
    return text


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=5000, help="customers")
    parser.add_argument("--messages", type=int, help="default: five for each customer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sync", choices=("yes", "no", "only"), default="yes", help="the second part")
    parser.add_argument("--times", type=int, default=20, help="rows written one by one, of each kind")
    parser.add_argument("--bulk", type=int, default=2000, help="rows of one statement")
    options = parser.parse_args()
    if options.sync != "only":
        print(measure(options.rows, options.messages, options.rounds, OUTPUT))
    if options.sync != "no":
        sizes = Sizes(options.rows, options.rounds, options.times, options.bulk, min(options.bulk, FOLLOWING))
        print(measure_sync(sizes, OUTPUT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
