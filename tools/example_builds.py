"""How each example is generated and built: a copy of its folder, buf with its configuration, its own toolchain."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.protogen import write_external, write_image

# What a backend needs of the contract; the rest would only be compiled.
AREAS = ("gateway", "auth", "common", "ratelimit/v1")


class BuildError(Exception):
    """A step of a build failed; the message has its last words."""


class BuildTooLongError(Exception):
    """A step took longer than it may here; what it compiled until then is kept for the next time."""


@dataclass(frozen=True)
class Build:
    """One language: the programs it needs, and what makes a command of its copied folder."""

    language: str
    programs: tuple[str, ...]
    paths: tuple[str, ...]
    fetch: Callable[[Path, float], None]  # what buf's plugins of this language need
    compile: Callable[[Path, float], list[str]]

    def missing(self) -> list[str]:
        """Programs that are not on this machine."""
        return [program for program in self.programs if shutil.which(program) is None]

    def make(self, examples: Path, state: Path, descriptors: Path, seconds: float) -> list[str]:
        """Copies, generates, compiles, each step within `seconds`; gives the command that runs it."""
        folder = state / self.language
        for stale in ("gen", "src", "build"):
            shutil.rmtree(folder / stale, ignore_errors=True)
        shutil.copytree(examples / self.language, folder, dirs_exist_ok=True)
        self.fetch(folder, seconds)
        buf = str(Path(sys.executable).parent / "buf")
        narrowed = [word for path in self.paths for word in ("--path", path)]
        step([buf, "generate", str(descriptors), *narrowed], folder, seconds)
        return self.compile(folder, seconds)


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
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that it ends with everything that it started
    ) as process:
        try:
            words, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise BuildTooLongError(f"{Path(command[0]).name} took more than {seconds:.0f} s") from None
    if process.returncode != 0:
        raise BuildError(f"{folder.name}: {Path(command[0]).name} failed:\n{words[-3000:]}")


def _nothing(_folder: Path, _seconds: float) -> None:
    """grpcio-tools is there already."""


def _go_tools(folder: Path, seconds: float) -> None:
    for plugin in ("protoc-gen-go", "protoc-gen-go-grpc"):  # compiled once, then kept by Go
        step(["go", "tool", plugin, "--version"], folder, seconds)


def _npm(folder: Path, seconds: float) -> None:
    """The pinned packages; again only when the lock changed."""
    lock, done = (folder / "package-lock.json").read_text(), folder / "node_modules" / ".installed"
    if done.exists() and done.read_text() == lock:
        return
    step(["npm", "ci", "--no-audit", "--no-fund"], folder, seconds)
    done.write_text(lock)


def _python(folder: Path, _seconds: float) -> list[str]:
    # The generated code of this build comes before any that is installed.
    found = os.pathsep.join([str(folder / "gen"), str(folder), str(Path(__file__).resolve().parents[1])])
    return ["env", f"PYTHONPATH={found}", sys.executable, str(folder / "main.py")]


def _go(folder: Path, seconds: float) -> list[str]:
    step(["go", "vet", "."], folder, seconds)
    step(["go", "build", "-o", "build/shop", "."], folder, seconds)
    return [str(folder / "build" / "shop")]


def _typescript(folder: Path, seconds: float) -> list[str]:
    step(["npm", "run", "--silent", "build"], folder, seconds)
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
