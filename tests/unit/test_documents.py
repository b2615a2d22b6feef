"""What the documents say of the code is true: which methods are served, where links lead, what records contain."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hauberk.audit.v1 import audit_service_pb2 as audit_pb
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.context_token.v1 import context_token_service_pb2 as context_token_pb
from hauberk.gateway.v1 import gateway_service_pb2 as gateway_pb
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail_pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit_pb
from hauberk.redaction.v1 import redaction_service_pb2 as redaction_pb
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from gateway.servicer import GatewayServicer
from services.audit.servicer import AuditServicer
from services.auth.servicer import AuthServicer
from services.context_token.servicer import ContextTokenServicer
from services.guardrail.servicer import GuardrailServicer
from services.ratelimit.servicer import RateLimitServicer
from services.redaction.servicer import RedactionServicer
from services.tenancy.servicer import TenancyServicer

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SERVED: tuple[tuple[Any, type[Any]], ...] = (
    (gateway_pb.DESCRIPTOR.services_by_name["GatewayService"], GatewayServicer),
    (auth_pb.DESCRIPTOR.services_by_name["AuthService"], AuthServicer),
    (tenancy_pb.DESCRIPTOR.services_by_name["TenancyService"], TenancyServicer),
    (ratelimit_pb.DESCRIPTOR.services_by_name["RateLimitService"], RateLimitServicer),
    (redaction_pb.DESCRIPTOR.services_by_name["RedactionService"], RedactionServicer),
    (guardrail_pb.DESCRIPTOR.services_by_name["GuardrailService"], GuardrailServicer),
    (context_token_pb.DESCRIPTOR.services_by_name["ContextTokenService"], ContextTokenServicer),
    (audit_pb.DESCRIPTOR.services_by_name["AuditService"], AuditServicer),
)


def rows(service: str, title: str) -> set[str]:
    """The method names in the service's row of the README's table with this title."""
    _, found_title, rest = (ROOT / "README.md").read_text().partition(title)
    if not found_title:  # nothing of that sort
        return set()
    table = rest.split("\n\n")[0]
    found = re.findall(rf"^\| {service} \|(.*)$", table, re.MULTILINE)
    return {name for line in found for name in re.findall(r"`([A-Za-z]+)`", line)}


@pytest.mark.parametrize(("descriptor", "servicer"), SERVED, ids=lambda value: getattr(value, "name", ""))
def test_the_readme_names_every_method_that_is_not_served(descriptor: Any, servicer: type[Any]) -> None:
    # Every generated base has them all, so a method counts when something of ours defines it.
    own = [base for base in servicer.__mro__ if base.__module__.startswith(("services.", "gateway."))]
    served = {name for base in own for name in vars(base)}
    missing = {method.name for method in descriptor.methods} - served
    assert rows(descriptor.name, "| Service | Not served yet |") == missing
    assert not rows(descriptor.name, "| Service | Answers | Served today |") & missing


def test_every_link_inside_the_repository_leads_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_decision_record_says_the_four_things() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for record in records:
        text = record.read_text()
        assert text.startswith(f"# {record.name[:4]} "), record.name
        for part in ("\nStatus: ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"):
            assert part in text, f"{record.name}: {part.strip()}"
