"""Hauberk from a Python backend: ask before a model is called, and let in only who was proven.

Needs grpcio and the generated code, nothing else of Hauberk.
"""

from hauberk_client.asgi import Protected
from hauberk_client.calls import Undecided
from hauberk_client.client import Client, Message
from hauberk_client.connection import Connection, Tls
from hauberk_client.credentials import api_key, bearer, context_token, jwt, session
from hauberk_client.decisions import Admission, Answer, Decision, ToolCall
from hauberk_client.guard import Caller, Guard, NotAuthenticated, NotPermitted, current_caller
from hauberk_client.interceptor import ProtectedCalls
from hauberk_client.stream import Stream, Usage
from hauberk_client.tracing import trace

__all__ = [
    "Admission",
    "Answer",
    "Caller",
    "Client",
    "Connection",
    "Decision",
    "Guard",
    "Message",
    "NotAuthenticated",
    "NotPermitted",
    "Protected",
    "ProtectedCalls",
    "Stream",
    "Tls",
    "ToolCall",
    "Undecided",
    "Usage",
    "api_key",
    "bearer",
    "context_token",
    "current_caller",
    "jwt",
    "session",
    "trace",
]
