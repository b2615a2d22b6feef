"""How each example is generated and built: a copy of its folder, buf with its configuration, its own toolchain."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.protogen import write_external, write_image

# What a backend needs of the contract; the rest would only be compiled.
AREAS = ("gateway", "auth", "common", "ratelimit/v1")
BUF_SECONDS = 120
BUILD_SECONDS = 600


class BuildError(Exception):
    """A step of a build failed; the message has its last words."""


@dataclass(frozen=True)
class Build:
    """One language: the programs it needs, and what makes a command of its copied folder."""

    language: str
    programs: tuple[str, ...]
    paths: tuple[str, ...]
    fetch: Callable[[Path], None]  # what buf's plugins of this language need
    compile: Callable[[Path], list[str]]

    def missing(self) -> list[str]:
        """Programs that are not on this machine."""
        return [program for program in self.programs if shutil.which(program) is None]

    def make(self, examples: Path, state: Path, descriptors: Path) -> list[str]:
        """Copies, generates, compiles; gives the command that runs it."""
        folder = state / self.language
        for stale in ("gen", "src", "build"):
            shutil.rmtree(folder / stale, ignore_errors=True)
        shutil.copytree(examples / self.language, folder, dirs_exist_ok=True)
        self.fetch(folder)
        buf = str(Path(sys.executable).parent / "buf")
        narrowed = [word for path in self.paths for word in ("--path", path)]
        step([buf, "generate", str(descriptors), *narrowed], folder, BUF_SECONDS)
        return self.compile(folder)


def image(path: Path) -> Path:
    """The contract with everything it imports, as one file that buf reads."""
    external = path.with_suffix(".external")
    write_external(external)
    write_image(path, external)
    return path


def step(command: Sequence[str], folder: Path, seconds: float) -> None:
    """Runs to the end, which must be a good one."""
    beside = str(Path(sys.executable).parent)  # `python` and `buf` are those that run this
    environment = {**os.environ, "PATH": f"{beside}:{os.environ.get('PATH', '')}", "GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, timeout=seconds, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{folder.name}: {Path(command[0]).name} took more than {seconds} s") from None
    if done.returncode != 0:
        raise BuildError(f"{folder.name}: {Path(command[0]).name} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _nothing(_folder: Path) -> None:
    """grpcio-tools is there already."""


def _go_tools(folder: Path) -> None:
    for plugin in ("protoc-gen-go", "protoc-gen-go-grpc"):  # compiled once, then kept by Go
        step(["go", "tool", plugin, "--version"], folder, BUILD_SECONDS)


def _npm(folder: Path) -> None:
    """The pinned packages; again only when the lock changed."""
    lock, done = (folder / "package-lock.json").read_text(), folder / "node_modules" / ".installed"
    if done.exists() and done.read_text() == lock:
        return
    step(["npm", "ci", "--no-audit", "--no-fund"], folder, BUILD_SECONDS)
    done.write_text(lock)


def _python(folder: Path) -> list[str]:
    # The generated code of this build comes before any that is installed.
    found = os.pathsep.join([str(folder / "gen"), str(folder), str(Path(__file__).resolve().parents[1])])
    return ["env", f"PYTHONPATH={found}", sys.executable, str(folder / "main.py")]


def _go(folder: Path) -> list[str]:
    step(["go", "vet", "."], folder, BUILD_SECONDS)
    step(["go", "build", "-o", "build/shop", "."], folder, BUILD_SECONDS)
    return [str(folder / "build" / "shop")]


def _typescript(folder: Path) -> list[str]:
    step(["npm", "run", "--silent", "build"], folder, BUILD_SECONDS)
    return ["node", str(folder / "build" / "src" / "main.js")]


_OURS = tuple(f"hauberk/{area}" for area in AREAS)
BUILDS = {
    build.language: build
    for build in (
        Build("python", (), (*_OURS, "hauberk/tenancy", "buf/validate"), _nothing, _python),
        Build("go", ("go",), (*_OURS, "buf/validate"), _go_tools, _go),
        Build("typescript", ("node", "npm"), _OURS, _npm, _typescript),
    )
}
