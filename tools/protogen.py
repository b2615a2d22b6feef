"""Generates `gen/` from `protos/`: python -m tools.protogen [--check] [--image FILE].

protovalidate ships no `validate.proto`, so its descriptor is taken from the installed package and handed to protoc.
Everything is offline; `buf lint` and `buf breaking` read the descriptor image that `--image` writes.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from google.api import annotations_pb2, http_pb2
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.rpc import status_pb2
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GEN = ROOT / "gen"
VALIDATE = "buf/validate/validate.proto"


def write_external(path: Path) -> None:
    """Writes the descriptors of every import that is not ours."""
    files = descriptor_pb2.FileDescriptorSet()
    common = (descriptor_pb2, duration_pb2, timestamp_pb2, field_mask_pb2, wrappers_pb2, any_pb2, struct_pb2)
    needed = (*common, status_pb2, http_pb2, annotations_pb2)
    for module in needed:
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    path.write_bytes(files.SerializeToString())


def protoc(external: Path, *args: str) -> None:
    """Runs the protoc of grpcio-tools; our sources come from `protos/`, everything else from `external`."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={external}", f"-I{PROTOS}", *args]
    beside = str(Path(sys.executable).parent)  # protoc finds its plugins by PATH
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PATH": f"{beside}:{os.environ.get('PATH', '')}"})


def sources() -> list[str]:
    """Our .proto files, relative to `protos/`, in a stable order."""
    return sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))


def generate(out: Path, external: Path) -> None:
    """Writes messages, services and type stubs under `out`."""
    out.mkdir(parents=True, exist_ok=True)
    messages = [f"--python_out={out}", f"--mypy_out=quiet:{out}"]
    protoc(external, *messages, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}", *sources())
    protoc(external, *messages, VALIDATE)
    for stub in out.rglob("*_pb2_grpc.py"):
        if "add_" not in stub.read_text():  # a file without a service needs no stub
            stub.unlink()
            stub.with_suffix(".pyi").unlink(missing_ok=True)
    for typed in out.rglob("*_pb2_grpc.pyi"):
        # At run time a method that is not overridden answers UNIMPLEMENTED; the stubs would call it abstract.
        lines = typed.read_text().splitlines(keepends=True)
        typed.write_text("".join(line for line in lines if "abstractmethod" not in line))


def write_image(path: Path, external: Path) -> None:
    """Writes one self-contained descriptor set with comments, for buf."""
    protoc(external, f"--descriptor_set_out={path}", "--include_imports", "--include_source_info", *sources())


def differences(left: Path, right: Path) -> list[str]:
    """Files that are missing on one side or differ, relative paths."""
    names = {str(p.relative_to(root)) for root in (left, right) for p in root.rglob("*.py*") if p.suffix != ".pyc"}
    same = {
        n for n in names if (left / n).exists() and (right / n).exists() and filecmp.cmp(left / n, right / n, False)
    }
    return sorted(names - same)


def main() -> int:
    """Generates, or with --check fails when what is committed differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when gen/ is not up to date")
    parser.add_argument("--image", type=Path, help="only write the descriptor image that buf reads")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        external = Path(scratch) / "external.binpb"
        write_external(external)
        if options.image:
            write_image(options.image.resolve(), external)
            return 0
        fresh = Path(scratch) / "gen"
        generate(fresh, external)
        if options.check:
            stale = differences(GEN, fresh)
            sys.stderr.writelines(f"gen/{name} is not what protos/ gives: run make proto\n" for name in stale)
            return 1 if stale else 0
        shutil.rmtree(GEN, ignore_errors=True)
        shutil.copytree(fresh, GEN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
