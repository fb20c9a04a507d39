"""The benchmark's second part: what the sync costs a service, and how long it holds one up."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.report import machine
from tests.bench.stalls import copies, stalls
from tests.bench.writes import Seconds, Writers
from tests.support.databases import Databases
from tests.support.reaper import reaped
from tools.postgres_server import PostgresServer, launch, run_tool


@dataclass(frozen=True)
class Sizes:
    """``rows``: customers of the sample; ``times``: rows of each kind one by one; ``bulk``: rows of one statement;
    ``messages``: those of the provider whose phone changes."""

    rows: int
    rounds: int
    times: int
    bulk: int
    messages: int


def measure_sync(sizes: Sizes, output: Path) -> str:
    """Measure, write sync.json and sync.md into ``output``; the Markdown."""
    chosen = os.environ.get("TEST_POSTGRES_BIN")
    with tempfile.TemporaryDirectory() as folder, reaped(launch(Path(chosen) if chosen else None)) as server:
        databases, home = Databases(server), Path(folder)
        writers = Writers(databases, home, sizes.rows)
        writers.prepare()
        print("Una fila …", flush=True)
        writers.single(sizes.rounds, sizes.times)
        print("Muchas filas …", flush=True)
        writers.bulk(sizes.rounds, sizes.bulk)
        writers.fan_out(sizes.rounds, sizes.messages)
        left = writers.left_over()
        for made in writers.made.values():
            databases.drop(made)
        print("Esperas …", flush=True)
        result = {
            "machine": machine(databases.empty().value("SHOW server_version")),
            "sizes": vars(sizes),
            "fsync_us": fsync_microseconds(server),
            "writes": writers.medians(),
            "left_over": left,
            "stalls": stalls(databases, home, sizes.rows),
            "copies": copies(databases, home, sizes.rows),
        }
    text = _as_markdown(result)
    output.mkdir(exist_ok=True)
    (output / "sync.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    (output / "sync.md").write_text(text, encoding="utf-8")
    return text


def fsync_microseconds(server: PostgresServer) -> float:
    """What pg_test_fsync says of one fdatasync in the server's folder, in microseconds; 0 where it says nothing."""
    said = run_tool(server.bin_dir / "pg_test_fsync", "-s", "1", "-f", server.home / "fsync.out", home=server.home)
    found = re.search(r"^\s*fdatasync\s.*?(\d+) usecs/op", said, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _as_markdown(result: dict[str, Any]) -> str:
    on, sizes, writes = result["machine"], result["sizes"], result["writes"]
    single = [what for what in writes if what.endswith(("disk", "memory"))]
    many = [what for what in writes if what not in single]
    held, copied = result["stalls"], result["copies"]
    lines = [
        f"PostgreSQL {on['postgresql']}, {on['cpu']}, {on['cores']} cores, {on['ram_gb']} GB; load at the end {on['load']:.1f};"
        f" pg_test_fsync: {result['fsync_us']:.0f} µs for one fdatasync.",
        f"{sizes['rows']:,} customers. Medians of {sizes['rounds']} rounds, the arms in turn. A commit on disk, or in memory:"
        " synchronous_commit off.",
        "",
        "One row. The same sent to both sides by hand, in four messages, stands for 1.00; the last column: of the bare one.",
        "",
        *_table(writes, single, ("bare", "on", "off", "copied"), "by hand"),
        "",
        "Many rows. The bare statement stands for 1.00. Copied: by a row trigger that writes NEW on the other side, no more.",
        "",
        *_table(writes, many, ("by hand", "on", "off", "copied"), "bare"),
        "",
        f"What waits afterwards: {result['left_over'] or 'nothing'}.",
        f"Longest write of a light writer: {', '.join(f'{step} {took * 1000:.0f} ms' for step, took in held.items())}.",
        f"Copy: {', '.join(f'{name} {took:.2f} s' for name, took in copied.items())}.",
    ]
    return "\n".join(lines) + "\n"


def _table(writes: Seconds, named: Sequence[str], arms: Sequence[str], yardstick: str) -> Iterable[str]:
    yield f"| write | {yardstick}, ms | {' | '.join(arms)} | on / bare |"
    yield "|---|" + "---:|" * (len(arms) + 2)
    for what in named:
        took = writes[what]
        cells = [f"{took[arm] / took[yardstick]:.2f}" if arm in took else "" for arm in arms]
        yield f"| {what} | {took[yardstick] * 1000:.3f} | {' | '.join(cells)} | {took['on'] / took['bare']:.2f} |"
