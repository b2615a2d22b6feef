"""Tools that a model may call: the registry, the check of one call, and approvals. Ports in, plain values out.

A tool that the caller may not use and one that does not exist are one answer, at the same cost.
"""

from services.guardrail.tools.asking import UNKNOWN_TOOL
from services.guardrail.tools.check import Asked, Checked, ToolCalls
from services.guardrail.tools.deciding import Approvals
from services.guardrail.tools.registry import Registry

__all__ = ["UNKNOWN_TOOL", "Approvals", "Asked", "Checked", "Registry", "ToolCalls"]
