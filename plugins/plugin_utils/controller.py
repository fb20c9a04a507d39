"""What only the controller knows: who calls, with which process, and how to call again."""

from __future__ import annotations

import getpass
import json
import multiprocessing
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import context
from ansible.parsing.dataloader import DataLoader

from ..module_utils.core.phase.command_line import clean_extra
from ..module_utils.core.phase.variables import VARIABLES

OF_AWX = ("awx_", "tower_")  # it gives them to each job by itself
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MACHINE_ID = Path("/etc/machine-id")
OUTERMOST = "pid:[4026531836]"  # the namespace that Linux starts with


def describe_caller(playbook_dir: str, extra: Mapping[str, Any], loader: DataLoader) -> dict[str, Any]:
    """Operator, host and process of this ansible-playbook, and of its command line what the next one may repeat."""
    pid = playbook_pid()
    return {
        "host": socket.gethostname(),
        "pid": pid,
        "operator": operator(extra),
        "process": {"machine": _read(MACHINE_ID), "boot": _read(BOOT_ID), "pids": _pid_space(), "start": _start(pid)},
        "command": command(playbook_dir, extra, loader),
    }


def playbook_pid() -> int:
    """The ansible-playbook of this worker, also when it has been killed since: getppid() then names somebody else."""
    parent = multiprocessing.parent_process()
    return (parent and parent.pid) or os.getppid()


def operator(extra: Mapping[str, Any]) -> str:
    """The person: AWX says its user, sudo the one before it."""
    for name in ("awx_user_name", "tower_user_name"):
        if extra.get(name):
            return str(extra[name])
    if os.environ.get("SUDO_USER"):
        return os.environ["SUDO_USER"]
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def command(playbook_dir: str, extra: Mapping[str, Any], loader: DataLoader) -> dict[str, Any]:
    """The parts of the command line that the next command repeats; inventories as seen from here.

    Of -e only our own settings travel, those for good: others' may be secrets, and a permission for one run is no other's.
    """
    args = context.CLIARGS
    options: list[str] = []
    for name in args.get("inventory") or ():
        options += ["-i", name if "," in name else os.path.relpath(name)]
    for name in args.get("vault_ids") or ():
        options += ["--vault-id", name]
    for name in args.get("vault_password_files") or ():
        options += ["--vault-password-file", os.path.relpath(name)]
    if args.get("ask_vault_pass"):
        options.append("--ask-vault-pass")
    return {
        "playbook": next(iter(args.get("args") or ()), "fase.yml"),
        "options": options,
        "extra": [kept for raw in args.get("extra_vars") or () if (kept := repeatable(str(raw), loader))],
        "playbooks": sorted(path.stem for path in Path(playbook_dir).glob("*.yml")),
        "dropped": sorted(name for name, known in VARIABLES.items() if name in extra and known.once),
        "others_by_extra": any(not _ours(name) for name in extra if not name.startswith(OF_AWX)),
    }


def repeatable(raw: str, loader: DataLoader) -> str:
    """One -e as the next command may repeat it, '' where nothing is left; a file by its name, if it holds no more than that."""
    if not raw.startswith("@"):
        return clean_extra(raw, _lasts)
    found = loader.load_from_file(raw[1:])
    names = found if isinstance(found, Mapping) else {}
    if not any(name in VARIABLES and (VARIABLES[name].once or VARIABLES[name].phases) for name in names):
        return raw
    return clean_extra(json.dumps({name: value for name, value in names.items() if _lasts(name)}, default=str), _lasts)


def _ours(name: str) -> bool:
    return name in VARIABLES and name != "database_url"


def _lasts(name: str) -> bool:
    return _ours(name) and not VARIABLES[name].once


def is_dead(holder: Mapping[str, Any]) -> bool:
    """Whether the process that holds the lease ran on this machine and is gone. What cannot be known is not dead."""
    process = holder.get("process") or {}
    if holder.get("host") != socket.gethostname():
        return False
    same_boot = _known_equal(process.get("boot"), _read(BOOT_ID))
    if not same_boot:
        # started anew since, unless it is a container: those share a machine-id with their image, and so with others
        rebooted = _known_equal(process.get("machine"), _read(MACHINE_ID)) and bool(process.get("boot") and _read(BOOT_ID))
        return rebooted and process.get("pids") == _pid_space() == OUTERMOST
    if not _known_equal(process.get("pids"), _pid_space()):
        return False  # another container: its process numbers are not ours
    pid = int(holder.get("pid") or 0)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return pid > 0
    except PermissionError:
        pass
    start = _start(pid)
    return bool(start and process.get("start")) and start != process["start"]


def _known_equal(one: object, other: object) -> bool:
    """Two unknowns are not the same."""
    return bool(one) and one == other


def _start(pid: int) -> str:
    """When the process started, in clock ticks since boot; '' when unknown, 'zombie' when it only waits to be buried."""
    text = _read(Path(f"/proc/{pid}/stat"))
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20:
        return ""
    return "zombie" if fields[0] in "ZX" else fields[19]


def _pid_space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
