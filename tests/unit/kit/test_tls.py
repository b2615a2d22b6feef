"""Certificates: each file that is missing or of no use stops a start and is named; nothing below TLS 1.3 gets in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.certificates import probe
from services.kit import ONLY_TLS_1_3, SUITES_VARIABLE, TLS_FLOOR, certs, channels
from services.kit.settings import SettingsError
from services.kit.tls import TlsFiles
from tests.unit.kit.world import DOMAIN, serving, settings_of


def gone(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def no_pem(path: Path) -> None:
    path.write_bytes(b"not PEM")


@pytest.mark.parametrize("spoil", [gone, a_folder, no_pem])
@pytest.mark.parametrize("which", ["cert", "key", "ca"])
def test_a_file_of_no_use_stops_the_start_and_is_named(
    tmp_path: Path, which: str, spoil: Callable[[Path], None]
) -> None:
    files = certs.issue(tmp_path, DOMAIN, "auth", serves=["auth"])
    settings = settings_of(tls_cert=files.cert, tls_key=files.key, tls_ca=files.ca)
    TlsFiles.of(settings)
    spoil(getattr(files, which))
    with pytest.raises(SettingsError, match=getattr(files, which).name):
        TlsFiles.of(settings)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_private_key_that_others_can_touch_stops_the_start(tmp_path: Path, mode: int) -> None:
    files = certs.issue(tmp_path, DOMAIN, "auth")
    files.key.chmod(mode)
    with pytest.raises(SettingsError, match=r"auth\.pem is readable by others"):
        files.checked()


def test_a_key_of_another_certificate_stops_the_start(tmp_path: Path) -> None:
    files, other = certs.issue(tmp_path, DOMAIN, "auth"), certs.issue(tmp_path, DOMAIN, "gateway")
    with pytest.raises(SettingsError, match=r"gateway\.pem is not the key of auth\.crt"):
        TlsFiles(files.cert, other.key, files.ca).checked()


async def test_a_server_lets_nothing_below_tls_1_3_in(tmp_path: Path) -> None:
    async with serving(tmp_path) as world:
        files = certs.issue(tmp_path, DOMAIN, "backend/shop")
        accepted = await asyncio.to_thread(probe, f"127.0.0.1:{world.server.port}", files)
    assert accepted == {"TLSv1": False, "TLSv1_1": False, "TLSv1_2": False, "TLSv1_3": True}


_SERVE = """\
import asyncio, sys
from pathlib import Path
from grpc import aio
from services.kit.tls import TlsFiles, server_credentials

async def main(stem):
    server = aio.server()
    port = server.add_secure_port("127.0.0.1:0", server_credentials(TlsFiles(*map(Path, sys.argv[1:4]))))
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)

asyncio.run(main(sys.argv))
"""


@pytest.mark.parametrize("package", ["services", "gateway", "cli", "embedded", "bench"])
def test_every_way_in_sets_the_floor_before_grpc_is_loaded(package: str) -> None:
    assert _said(f"import {package}, sys; loaded = 'grpc' in sys.modules") == "False True"


def test_too_late_is_known() -> None:
    assert _said("import grpc; loaded = True") == "True False"


def _said(code: str) -> str:
    code += "; import services.kit; print(loaded, services.kit.TLS_FLOOR)"
    bare = {name: value for name, value in os.environ.items() if name != SUITES_VARIABLE}
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_probe_tells_a_server_that_takes_less(tmp_path: Path) -> None:
    files = certs.issue(tmp_path, DOMAIN, "auth", serves=["auth"])
    command = [sys.executable, "-c", _SERVE, str(files.cert), str(files.key), str(files.ca)]
    environment = {**os.environ, SUITES_VARIABLE: "ECDHE-ECDSA-AES128-GCM-SHA256"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout and server.stdin
        port = next(line for line in server.stdout if line.strip().isdecimal())  # log lines say that it takes less
        accepted = probe(f"127.0.0.1:{int(port)}", files)
        server.stdin.close()
    assert accepted["TLSv1_2"] and accepted["TLSv1_3"] and not accepted["TLSv1"]


@pytest.mark.parametrize(("newest", "agrees"), [("TLSv1_2", False), ("TLSv1_3", True)])
async def test_a_channel_speaks_nothing_below_tls_1_3(tmp_path: Path, newest: str, agrees: bool) -> None:
    assert TLS_FLOOR and os.environ[SUITES_VARIABLE] == ONLY_TLS_1_3
    files = certs.issue(tmp_path, DOMAIN, "auth", serves=["auth"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    context.maximum_version = ssl.TLSVersion[newest]
    context.set_alpn_protocols(["h2"])

    def accept(listener: socket.socket) -> bool:
        raw, _ = listener.accept()
        with raw, contextlib.suppress(ssl.SSLError, OSError), context.wrap_socket(raw, server_side=True):
            return True
        return False

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        async with channels.connect(f"127.0.0.1:{listener.getsockname()[1]}", "auth", files) as channel:
            channel.get_state(try_to_connect=True)
            assert await asyncio.to_thread(accept, listener) is agrees
