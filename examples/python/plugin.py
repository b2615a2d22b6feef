"""A protoc plugin for buf: messages, their types and gRPC stubs, by the compiler inside grpcio-tools.

grpcio-tools ships its generators within a whole protoc and not as plugins, so this hands buf's request to that protoc.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

OUTPUTS = ("--python_out", "--pyi_out", "--grpc_python_out")


def answered(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """What the compiler makes of the request."""
    answer = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
        | plugin_pb2.CodeGeneratorResponse.FEATURE_SUPPORTS_EDITIONS,
        minimum_edition=998,
        maximum_edition=1000,
    )
    with tempfile.TemporaryDirectory() as scratch:
        image, out = Path(scratch) / "image.binpb", Path(scratch) / "out"
        image.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        out.mkdir()
        options = [f"{name}={out}" for name in OUTPUTS]
        if protoc.main(["protoc", f"--descriptor_set_in={image}", *options, *request.file_to_generate]) != 0:
            answer.error = "grpcio-tools could not generate; its words stand above"
            return answer
        for file in sorted(path for path in out.rglob("*") if path.is_file()):
            answer.file.add(name=str(file.relative_to(out)), content=file.read_text(encoding="utf-8"))
    return answer


if __name__ == "__main__":
    asked = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(answered(asked).SerializeToString())
