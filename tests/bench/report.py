"""The benchmark's result: medians and ratios as JSON, and as a Markdown table with the machine named."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.contenders import COPIES, PROOFS, WAL, WHOLE, Times

TOTAL = "total"


def medians(rounds: Sequence[Times]) -> Times:
    """Contender → table → median of its seconds."""
    return {
        name: {table: median(r[name][table] for r in rounds) for table in rounds[0][name]}
        for name in rounds[0]
        if rounds[0][name]
    }


def machine(version: str) -> dict[str, Any]:
    """What the figures depend on."""
    cpu = next((line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cpu": cpu or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "ram_gb": round(memory / 2**20, 1),
        "postgresql": version,
        "load": os.getloadavg()[0],
    }


def as_markdown(result: Mapping[str, Any]) -> str:
    """Two tables, and the figures that have no table of their own."""
    on, sizes, seconds = result["machine"], result["sizes"], result["seconds"]
    lines = [
        f"PostgreSQL {on['postgresql']}, {on['cpu']}, {on['cores']} cores, {on['ram_gb']} GB; load at the end {on['load']:.1f}.",
        f"Legacy rows: {', '.join(f'{name} {rows:,}' for name, rows in sizes.items())}.",
        f"Medians of {result['rounds']}. The plan carries no clients of users; its statements stand for 1.00.",
        "",
        *_table(seconds, COPIES, COPIES[0]),
        "",
        "What they wrote to the log of the server, MB and times the plan's.",
        "",
        *_table(seconds, [name + WAL for name in COPIES], COPIES[0] + WAL),
        "",
        "The proof, and one scan `count(md5(row::text))` of its legacy table, which stands for 1.00.",
        "",
        *_table(seconds, PROOFS, PROOFS[0]),
        "",
        f"The proof of all tables as a run does it: {seconds['proof'][''] / _sum(seconds['scan']):.2f} of the scans.",
        *(f"{said}: {seconds[name]['']:.2f} s." for name, said in WHOLE.items()),
    ]
    return "\n".join(lines) + "\n"


def _table(seconds: Times, contenders: Sequence[str], yardstick: str) -> Iterable[str]:
    yield "| table | " + " | ".join(f"{name}, s" if name == yardstick else name for name in contenders) + " |"
    yield "|---|" + "---:|" * len(contenders)
    for table in (*dict.fromkeys(name for contender in contenders for name in seconds[contender] if name), TOTAL):
        found = {name: _sum(seconds[name]) if table == TOTAL else seconds[name].get(table, 0.0) for name in contenders}
        whole = found[yardstick] or _sum(seconds[yardstick])  # a step that it has not: a share of all of it
        cells = [f"{found[n]:.2f}" if n == yardstick else f"{found[n] / max(whole, 1e-9):.2f}" for n in contenders]
        yield f"| {table} | " + " | ".join(cells) + " |"


def _sum(times: Mapping[str, float]) -> float:
    return sum(seconds for table, seconds in times.items() if table)


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []
