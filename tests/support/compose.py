"""docker-compose.yml run without Docker: its own commands and environment, as local processes on free ports."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from embedded.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+):\?[^}]+\}|\$\$")
READY_SECONDS = 60.0
DATABASE = "postgresql://postgres:5432/hauberk"  # without a user: each role has its own
PUBLIC = "https://127.0.0.1:8443"


def compose_file() -> dict[str, Any]:
    """The file as written."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """What compose makes of a value; only variables without a default exist in our file."""
    return _VARIABLE.sub(lambda m: variables[m["name"]] if m["name"] else "$", text)


class LocalCompose:
    """The services of the file under `base`; `stores` gives the addresses of what is no process of ours."""

    def __init__(self, base: Path, stores: Mapping[str, str]) -> None:
        self.base = base
        self.document = compose_file()
        self._stores = dict(stores)
        self._variables = {"POSTGRES_PASSWORD": "unused", "REDIS_PASSWORD": "unused"}
        self.served = [name for name, service in self.document["services"].items() if "serve" in self._command(service)]
        numbers = free_ports(2 * len(self.served))
        self.ports = dict(zip(self.served, numbers[::2], strict=True))
        self.ops_ports = dict(zip(self.served, numbers[1::2], strict=True))

    @staticmethod
    def _command(service: Mapping[str, Any]) -> list[str]:
        command = service.get("command", [])
        return [command] if isinstance(command, str) else list(command)

    def _local(self, text: str, volume: str) -> str:
        """Host names, ports and volumes of a container, here."""
        for name, port in self.ports.items():
            text = re.sub(rf"(?<![\w.-]){name}:7443\b", f"127.0.0.1:{port}", text)
        text = text.replace(PUBLIC, f"https://127.0.0.1:{self.ports['edge']}")
        folder = self.base / "prepared" if volume == "prepare" else self.base / "bundles" / volume
        text = re.sub(r"^/spool\b", str(self.base / "spool" / volume), text)
        text = re.sub(r"^/(bundles|archive)\b", rf"{self.base}/\1", text)
        text = text.replace(DATABASE, self._stores.get("HAUBERK_DATABASE_ADMIN_URL", ""))
        return re.sub(r"^/prepared\b", str(folder), text)

    def environment(self, name: str) -> dict[str, str]:
        """The service's own variables, and nothing of ours but where Python finds the code."""
        wanted = self.document["services"][name].get("environment", {})
        found = {key: self._local(interpolated(value, self._variables), name) for key, value in wanted.items()}
        found = {key: self._stores.get(key, value) for key, value in found.items()}
        return found | {"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}", "PATH": os.environ.get("PATH", ""), "HOME": "/tmp"}

    async def spawn(self, name: str, command: Sequence[str]) -> asyncio.subprocess.Process:
        """`command` in the service's environment; the image's entrypoint is `hauberk`."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.main", *(self._local(part, name) for part in command)),
            env=self.environment(name),
            cwd=self.base,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, name: str, command: Sequence[str]) -> str:
        """Runs to the end, which must be a good one; what it said on stdout."""
        process = await self.spawn(name, command)
        out, err = await asyncio.wait_for(process.communicate(), READY_SECONDS)
        assert process.returncode == 0, f"{name} {command[0]}: {out.decode()[-500:]} {err.decode()[-2000:]}"
        return out.decode()

    async def prepare(self) -> None:
        """The one-shot service, then the ports of this run in what it wrote."""
        await self.run("prepare", self._command(self.document["services"]["prepare"]))
        for name in self.served:
            path = self.base / "bundles" / name / "settings" / f"{name}.yaml"
            text = path.read_text().replace(str(self.base / "prepared"), str(self.base / "bundles" / name))
            text = re.sub(r"0\.0\.0\.0:[78]443", f"127.0.0.1:{self.ports[name]}", text)
            text = text.replace("127.0.0.1:7444", f"127.0.0.1:{self.ops_ports[name]}")
            text = text.replace("audit_spool: /spool", f"audit_spool: {self.base / 'spool' / name}")
            path.write_text(self._local(text, name))

    @asynccontextmanager
    async def up(self) -> AsyncIterator[dict[str, asyncio.subprocess.Process]]:
        """Every service started, healthy by its own health check, and stopped like Docker stops it."""
        running: dict[str, asyncio.subprocess.Process] = {}
        try:
            for name in self.served:
                running[name] = await self.spawn(name, self._command(self.document["services"][name]))
            await asyncio.gather(*(self._healthy(name, running[name]) for name in self.served))
            yield running
        finally:
            for process in running.values():
                if process.returncode is None:
                    process.terminate()
            for process in running.values():
                try:
                    await asyncio.wait_for(process.communicate(), 15)
                except TimeoutError:
                    process.kill()
                    await process.communicate()

    async def _healthy(self, name: str, process: asyncio.subprocess.Process) -> None:
        kind, entrypoint, *check = self.document["services"][name]["healthcheck"]["test"]
        assert (kind, entrypoint) == ("CMD", "hauberk")
        check = [part.replace("127.0.0.1:7444", f"127.0.0.1:{self.ops_ports[name]}") for part in check]
        async with asyncio.timeout(READY_SECONDS):
            while True:
                if process.returncode is not None:
                    assert process.stderr is not None
                    raise AssertionError(f"{name} ended: {(await process.stderr.read()).decode()[-2000:]}")
                asking = await self.spawn(name, check)
                await asking.communicate()
                if asking.returncode == 0:
                    return
                await asyncio.sleep(0.5)
