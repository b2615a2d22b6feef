"""docker-compose.yml as local processes: its own commands, environment and health checks; and what it must not do."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import ssl
import sys
import time
from typing import Any

import httpx
import openai
import pytest
import yaml
from grpc import aio
from hauberk.common.v1 import decision_pb2 as common

from cli.asking import Gateway, by_key, question
from embedded.ports import free_ports
from services.kit.channels import connect
from services.kit.database_roles import ROLES
from services.kit.tls import TlsFiles
from tests.support import envoy
from tests.support.compose import ROOT, LocalCompose, compose_file
from tests.support.otlp import Receiver, receiver
from tests.support.stores import make_folder, servers
from tests.support.waiting import eventually
from tools.jaeger import CONFIG, IMAGE_VERSION

SERVED = {"gateway", "auth", "tenancy", "ratelimit", "redaction", "guardrail", "context-token", "audit"}
TEXT = "My SSN is 123-45-6789 and credit card is 4532-1234-5678-9010"
CREATE = ["org", "create", "acme", "--brand", "acme-chat", "--admin", "ada", "--plan", "pro"]
WHERE = ["--tls", "/prepared/tls", "--tenancy", "tenancy:7443", "--auth", "auth:7443"]


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose_file()["services"]
    return found


async def admitted(address: str, tls: TlsFiles, key: str) -> Any:
    """The first decision; processes that have just started may not have each other's keys yet."""
    async with connect(address, "gateway", tls) as channel:
        until = time.monotonic() + 15
        while True:
            try:
                answer = await Gateway(channel).admit(question(by_key(key), "acme-chat", TEXT))
            except aio.AioRpcError:
                if time.monotonic() > until:
                    raise
            else:
                if answer.outcome == common.OUTCOME_ALLOW or time.monotonic() > until:
                    return answer
            await asyncio.sleep(0.25)


@pytest.mark.timeout(240)
async def test_every_service_starts_as_the_file_says_and_admits() -> None:
    base = make_folder()
    try:
        async with servers(base) as (_, _, postgres, redis), receiver() as collector:
            stores = {
                "HAUBERK_DATABASE_ADMIN_URL": postgres.admin_dsn,
                "HAUBERK_REDIS_URL": redis.url,
                "HAUBERK_OTLP_ENDPOINT": collector.endpoint,
            }
            local = LocalCompose(base, stores)
            assert set(local.served) == SERVED | {"edge"}
            await local.prepare()
            await local.prepare()  # again, as every `docker compose up` does
            async with local.up() as running:
                key = (await local.run("operator", [*CREATE, *WHERE])).strip()
                tls = base / "bundles" / "backend" / "tls"
                files = TlsFiles(tls / "backend-app.crt", tls / "backend-app.pem", tls / "ca.crt")
                answer = await admitted(f"127.0.0.1:{local.ports['gateway']}", files, key)
                await _passes_envoy(local, key, collector)
                await _talks_to_the_model(local, key)
                await _asks_the_edge(local, key)
                gone = await local.run("retention", [*services()["retention"]["command"], "--json"])
                assert json.loads(gone)["problems"] == []
            assert answer.outcome == common.OUTCOME_ALLOW
            assert answer.messages[0].text == "My SSN is <US_SSN> and credit card is <CREDIT_CARD>"
            assert {name: process.returncode for name, process in running.items()} == dict.fromkeys(local.served, 0)
            # No context was handed on, and the audit event travels by itself.
            traced = {span.service for span in collector.spans if span.trace_id == answer.trace_id}
            assert traced == SERVED - {"context-token", "audit"}
            assert b"123-45-6789" not in collector.raw
            _each_has_only_its_own(local)
    finally:
        shutil.rmtree(base, ignore_errors=True)


async def _passes_envoy(local: LocalCompose, key: str, collector: Receiver) -> None:
    """Envoy with the file's configuration and certificate: who has a credential passes, in one trace from Envoy on."""
    tls = local.base / "bundles" / "envoy" / "tls"
    shipped = (ROOT / "deploy" / "envoy" / "ext_authz.yaml").read_text()
    assert set(re.findall(r"/etc/envoy/tls/([\w.-]+)", shipped)) == {path.name for path in tls.iterdir()}

    def at_once(document: envoy.Document) -> None:
        soon = {"tracing.opentelemetry.flush_interval_ms": 100}
        document["layered_runtime"] = {"layers": [{"name": "static", "static_layer": soon}]}

    async def one_trace() -> bool:
        by_envoy = {span.trace_id for span in collector.spans if span.service == "envoy"}
        return any(span.service == "auth" and span.trace_id in by_envoy for span in collector.spans)

    async with envoy.Product().serving() as product:
        files = TlsFiles(tls / "envoy-edge.crt", tls / "envoy-edge.pem", tls / "ca.crt")
        traces = int(collector.endpoint.rpartition(":")[2])
        ports = {"product": product.port, envoy.GATEWAY: local.ports["gateway"], "traces": traces}
        path, port = envoy.configured("ext_authz.yaml", local.base, ports, files, at_once)
        async with envoy.running(path, port) as client:
            refused = await client.get("/")
            passed = await client.get("/", headers={"authorization": f"Bearer {key}"})
            assert (refused.status_code, passed.status_code, len(product.seen)) == (401, 200, 1)
            assert await eventually(one_trace)


async def _talks_to_the_model(local: LocalCompose, key: str) -> None:
    """An OpenAI client through Envoy: the model of the file is shown placeholders, the client its own words."""
    tls = local.base / "bundles" / "envoy" / "tls"
    files = TlsFiles(tls / "envoy-edge.crt", tls / "envoy-edge.pem", tls / "ca.crt")
    (at,) = free_ports(1)
    model = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "deploy" / "model.py"), str(at)), stdout=asyncio.subprocess.PIPE
    )
    assert model.stdout is not None
    try:
        ports = {"model": at, envoy.GATEWAY: local.ports["gateway"]}
        path, port = envoy.configured("ext_proc.yaml", local.base, ports, files)
        async with (
            envoy.running(path, port),
            openai.AsyncOpenAI(api_key=key, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0) as client,
        ):
            for stream in (False, True):
                said = await _said(client, stream)
                assert said == "You wrote: my SSN is 123-45-6789"
                assert await model.stdout.readline() == b"was sent: my SSN is <US_SSN>\n"
    finally:
        model.terminate()
        await model.communicate()


async def _said(client: openai.AsyncOpenAI, stream: bool) -> str:
    message: Any = {"role": "user", "content": "my SSN is 123-45-6789"}
    asked: Any = {"model": "self-hosted", "messages": [message], "max_completion_tokens": 60, "stream": stream}
    answer: Any = await client.chat.completions.create(**asked)
    if not stream:
        return str(answer.choices[0].message.content)
    return "".join([choice.delta.content or "" async for chunk in answer for choice in chunk.choices])


async def _asks_the_edge(local: LocalCompose, key: str) -> None:
    """JSON over HTTPS, with the certificate that the file gives it."""
    trusted = ssl.create_default_context(cafile=local.base / "bundles" / "edge" / "tls" / "ca.crt")
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{local.ports['edge']}", verify=trusted) as client:
        assert (await client.get("/v1/brands")).status_code == 401
        answer = await client.get("/v1/brands", headers={"x-api-key": key})
        assert [brand["brand"] for brand in answer.json()["brands"]] == ["acme-chat"], answer.text
        page = {"host": "acme-chat.localhost", "origin": "https://unlisted.example"}
        assert (await client.get("/v1/brands", headers={"x-api-key": key, **page})).status_code == 403


def _each_has_only_its_own(local: LocalCompose) -> None:
    """No process is given another's key, and none the authority's."""
    bundles = local.base / "bundles"
    for name in [*SERVED, "operator", "backend", "envoy", "edge"]:
        files = {str(path.relative_to(bundles / name)) for path in (bundles / name).rglob("*") if path.is_file()}
        stem = {"backend": "backend-app", "envoy": "envoy-edge", "edge": "backend-edge"}.get(name, name)
        assert {f for f in files if f.startswith("tls/")} == {f"tls/{stem}.crt", f"tls/{stem}.pem", "tls/ca.crt"}
        own = (f"keys/{name}/", "tls/", f"settings/{name}.yaml", *(["patterns/"] if name == "redaction" else []))
        assert all(f.startswith(own) for f in files)
        assert all((bundles / name / f).stat().st_mode & 0o077 == 0 for f in files)
    held = {str(path.relative_to(bundles / "retention")) for path in (bundles / "retention").rglob("*.*")}
    deleting = [role for role in ROLES if role.endswith("_retention")]
    (signing,) = (f for f in held if f.startswith("keys/audit/checkpoint."))
    assert held == {*(f"database/{role}.password" for role in deleting), signing}


def test_every_service_has_a_health_check() -> None:
    for name, service in services().items():
        check = service.get("healthcheck", {})
        # Four end by themselves; Envoy's image holds nothing that could ask it.
        unasked = name in {"prepare", "operator", "backend", "retention", "envoy", "envoy-model"}
        assert check.get("disable") is True if unasked else check["test"], name


def test_every_process_of_ours_is_confined() -> None:
    spools = {name: [f"{name}-spool:/spool"] for name in SERVED} | {"retention": ["archive:/archive"]}
    for name in [*SERVED, "edge", "operator", "backend", "retention"]:
        service = services()[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        volumes = [f"{name}:/prepared:ro", *spools.get(name, [])]
        assert service["volumes"] == volumes, "its own keys and certificate, read-only, and what it writes"
        if "build" not in service:  # runs in the image of another
            assert service["image"] in {"hauberk-prepare", "hauberk-audit"}
            assert service["profiles"] == ["tools"]
            continue
        assert service["build"]["args"] == {"SERVICE": name}
        assert (ROOT / "requirements" / f"{name}.lock").exists()
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert "USER 10001:10001" in dockerfile
    assert "--require-hashes" in dockerfile


def test_only_what_clients_ask_and_the_traces_are_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert set(published) == {"gateway", "edge", "envoy", "envoy-model", "jaeger"}
    assert len({port for ports in published.values() for port in ports}) == len(published)
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


@pytest.mark.parametrize(
    ("name", "shipped", "behind"), [("envoy", "ext_authz", "product"), ("envoy-model", "ext_proc", "model")]
)
def test_envoy_finds_whom_its_configuration_names_and_what_is_behind_it_nobody_else(
    name: str, shipped: str, behind: str
) -> None:
    document = yaml.safe_load((ROOT / "deploy" / "envoy" / f"{shipped}.yaml").read_text())
    assert f"./deploy/envoy/{shipped}.yaml:/envoy.yaml:ro" in services()[name]["volumes"]
    networks = {name: set(service["networks"]) for name, service in services().items()}
    for cluster in document["static_resources"]["clusters"]:
        (group,) = cluster["load_assignment"]["endpoints"]
        host = group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["address"]
        assert networks[host] & networks[name], host
    assert {each for each, on in networks.items() if behind in on} == {name, behind}
    assert networks[behind] == {behind}
    assert compose_file()["networks"][behind] == {"internal": True}


def test_the_jaeger_of_the_file_is_the_one_that_make_jaeger_builds() -> None:
    service = services()["jaeger"]
    assert service["image"] == f"jaegertracing/jaeger:{IMAGE_VERSION}"
    assert service["volumes"] == ["./deploy/jaeger.yaml:/etc/jaeger.yaml:ro"]
    assert CONFIG == ROOT / "deploy" / "jaeger.yaml"


def test_no_store_is_reachable_from_where_it_is_not_needed() -> None:
    networks = {name: set(service["networks"]) for name, service in services().items()}
    assert {name for name, on in networks.items() if "database" in on} == {
        "postgres",
        "prepare",
        "auth",
        "tenancy",
        "ratelimit",
        "redaction",
        "guardrail",
        "audit",
        "retention",
    }
    assert {name for name, on in networks.items() if "cache" in on} == {
        "redis",
        "auth",
        "ratelimit",
        "redaction",
        "context-token",
        "retention",
    }
    assert all(compose_file()["networks"][name] == {"internal": True} for name in ("mesh", "database", "cache"))


def test_no_password_is_written_down() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for match in re.finditer(r"\$\{([A-Z_]+)([^}]*)\}", text):
        assert match[2].startswith(":?"), f"{match[1]} must be given, not defaulted"
    for name, service in services().items():
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key or "_URL" in key:
                assert ":?" in value, f"{name}: {key}"
