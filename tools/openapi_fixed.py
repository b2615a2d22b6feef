"""What the HTTP edge serves besides the contract's methods: AuthZEN, public keys, and the form of every refusal."""

from __future__ import annotations

from typing import Any

from gateway.http import authzen, decision_point, resources

Json = dict[str, Any]
PROBLEM: Json = {
    "type": "object",
    "description": "Problem details (RFC 9457). `code` is a stable word for programs.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "code": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        "instance": {"type": "string"},
        "violations": {
            "type": "array",
            "maxItems": 200,
            "items": {
                "type": "object",
                "required": ["field", "rule"],
                "properties": {"field": {"type": "string"}, "rule": {"type": "string"}},
            },
        },
    },
}
SECURITY: Json = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "API key, session or a user's own token (JWT)"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-hauberk-session",
        "description": "for browsers; whatever changes something needs an Origin of the brand",
    },
}
CREDENTIALS: list[Json] = [{"apiKey": []}, {"bearer": []}, {"session": []}]
_TEXT: Json = {"type": "string", "minLength": 1}
_ENTITY: Json = {
    "type": "object",
    "required": ["type", "id"],
    "properties": {"type": _TEXT, "id": _TEXT, "properties": {"type": "object"}},
}
_ACTION: Json = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": _TEXT, "properties": {"type": "object"}},
}
_MEMBERS: Json = {
    "subject": {"$ref": "#/components/schemas/authzen.Entity"},
    "action": {"$ref": "#/components/schemas/authzen.Action"},
    "resource": {"$ref": "#/components/schemas/authzen.Entity"},
    "context": {"type": "object"},
}
_PART: Json = {"type": "object", "description": "a part of an entity; the rest comes from the default"}
SCHEMAS: Json = {
    "Problem": PROBLEM,
    "authzen.Entity": _ENTITY,
    "authzen.Action": _ACTION,
    "authzen.Evaluation": {
        "type": "object",
        "required": ["subject", "action", "resource"],
        "properties": _MEMBERS,
        "description": "Unknown members are ignored; properties are no facts: those are on record.",
    },
    "authzen.Evaluations": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("subject", "action", "resource", "context"), _PART),
            "evaluations": {"type": "array", "maxItems": authzen.MOST, "items": {"type": "object"}},
            "options": {
                "type": "object",
                "properties": {
                    "evaluations_semantic": {"enum": ["execute_all", "deny_on_first_deny", "permit_on_first_permit"]}
                },
            },
        },
    },
    "authzen.Decision": {
        "type": "object",
        "required": ["decision"],
        "properties": {"decision": {"type": "boolean"}, "context": {"type": "object"}},
    },
    "authzen.Decisions": {
        "anyOf": [
            {"$ref": "#/components/schemas/authzen.Decision"},
            {
                "type": "object",
                "required": ["evaluations"],
                "properties": {
                    "evaluations": {"type": "array", "items": {"$ref": "#/components/schemas/authzen.Decision"}}
                },
            },
        ]
    },
}
_REFUSED: Json = {"$ref": "#/components/responses/Problem"}


def paths() -> Json:
    """AuthZEN and what anybody may read."""
    return {
        decision_point.EVALUATION: {"post": _post("evaluate", "One decision", "Evaluation", "Decision")},
        decision_point.EVALUATIONS: {"post": _post("evaluateAll", "Decisions in order", "Evaluations", "Decisions")},
        decision_point.CONFIGURATION: {"get": _document("authzenConfiguration", "Where AuthZEN is")},
        resources.JWKS: {"get": _document("jwks", "Keys of transaction tokens (RFC 7517)")},
        resources.CONTEXT_JWKS: {"get": _document("contextJwks", "Keys of context tokens (RFC 7517)")},
        resources.OPENAPI_PATH: {"get": _document("openapi", "This document")},
    }


def _post(name: str, summary: str, asked: str, answered: str) -> Json:
    return {
        "operationId": f"AuthZEN_{name}",
        "tags": ["authzen"],
        "summary": summary,
        "security": CREDENTIALS,
        "requestBody": {"required": True, "content": _json(f"authzen.{asked}")},
        "responses": {"200": {"description": summary, "content": _json(f"authzen.{answered}")}, "default": _REFUSED},
    }


def _document(name: str, summary: str) -> Json:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": name,
        "tags": ["public"],
        "summary": summary,
        "security": [],
        "responses": {
            "200": {"description": summary, "content": content},
            "304": {"description": "Not modified"},
            "default": _REFUSED,
        },
    }


def _json(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
