"""A compose project of its own for a test, with real containers that go when the test does."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.module_utils.jobs import env_flag, service_switch

IMAGE = "debian:bookworm-slim"
STAY = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
NAMED: dict[str, Any] = {"image": IMAGE, "command": STAY, "environment": {"MIGRATION_MODE": "${MIGRATION_MODE}"}, "init": False}


@dataclass(frozen=True)
class Compose:
    """A project in its folder: its compose file, its .env, and what a run's modules are given."""

    folder: Path
    name: str
    backup_dir: Path

    @property
    def env(self) -> Path:
        """Its .env."""
        return self.folder / ".env"

    def write(self, services: Mapping[str, Any], env: str = "MIGRATION_MODE=true\n") -> None:
        """Write both files."""
        (self.folder / "docker-compose.yml").write_text(json.dumps({"services": services}), encoding="utf-8")
        self.env.write_text(env, encoding="utf-8")

    def up(self, *words: str) -> None:
        """As the operator starts them."""
        self.compose("up", "-d", "--no-build", *words)

    def compose(self, *words: str) -> str:
        """Call compose in the folder."""
        command = ["docker", "compose", "-p", self.name, *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """What docker says of the project's containers, or one service's."""
        words = ["docker", "ps", "-aq", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.name}"]
        words += ["--filter", f"label=com.docker.compose.service={service}"] if service else []
        ids = subprocess.run(words, capture_output=True, encoding="utf-8", check=True).stdout.split()
        said = subprocess.run(["docker", "inspect", *ids], capture_output=True, check=True).stdout if ids else b"[]"
        found: list[dict[str, Any]] = json.loads(said)
        return found

    def ids(self) -> dict[str, list[str]]:
        """Service to the ids of its containers."""
        found: dict[str, list[str]] = {}
        for said in self.containers():
            found.setdefault(said["Config"]["Labels"]["com.docker.compose.service"], []).append(said["Id"])
        return found

    def modes(self) -> dict[str, str]:
        """Service to the flag that its one running container was started with."""
        found = {}
        for said in self.containers():
            assert said["State"]["Status"] == "running", said["State"]
            environment = dict(pair.partition("=")[::2] for pair in said["Config"]["Env"])
            name = said["Config"]["Labels"]["com.docker.compose.service"]
            assert name not in found
            found[name] = environment.get("MIGRATION_MODE", "")
        return found

    def call(self, operation: str, check: bool = False, run_id: str = "prueba", **more: Any) -> dict[str, Any]:
        """One operation of service_switch to its end, as the action plugin calls it; the last slice's result."""
        params = {
            "operation": operation,
            "run_id": run_id,
            "phase": "fase3",
            "backup_dir": str(self.backup_dir),
            "services_dir": str(self.folder),
            "services_project": self.name,
            "migration_services": [],
            "waived_changes": {},
            "service": "",
            "key": "MIGRATION_MODE",
            "value": "false",
            "watch_seconds": 0,
            **more,
        }
        while (result := service_switch.OPERATIONS[operation](params, check)).get("more"):
            pass
        return result

    def flag(self, restore: bool = False, run_id: str = "prueba") -> dict[str, Any]:
        """Set the flag in .env, or put the file back."""
        params = {"path": str(self.env), "key": "MIGRATION_MODE", "value": "false", "run_id": run_id}
        act = env_flag.restore_flag if restore else env_flag.write_flag
        return act({**params, "backup_dir": str(self.backup_dir)}, False)

    def switch(self, **more: Any) -> None:
        """The whole way forward."""
        listed = self.call("look", **more)
        self.flag()
        for service in listed["services"]:
            self.call("turn", service=service, **more)

    def back(self, run_id: str = "vuelta", **more: Any) -> None:
        """The whole way back."""
        listed = self.call("back", run_id=run_id, **more)
        self.flag(restore=True, run_id=run_id)
        for service in listed["services"]:
            self.call("turn", run_id=run_id, service=service, **more)
        self.call("forget", run_id=run_id, **more)


@contextmanager
def compose_in(folder: Path) -> Iterator[Compose]:
    """Yield a project in a new folder below; its containers, networks and volumes go at the end."""
    place = folder / "servicios"
    place.mkdir()
    project = Compose(place, f"prueba{uuid.uuid4().hex[:10]}", folder / "respaldos")
    try:
        yield project
    finally:
        subprocess.run(
            ["docker", "compose", "-p", project.name, "down", "--volumes", "--timeout", "0", "--remove-orphans"],
            cwd=place,
            capture_output=True,
            check=False,
        )
        left = [said["Id"] for said in project.containers()]
        if left:
            subprocess.run(["docker", "rm", "-f", *left], capture_output=True, check=False)
