"""Adapters of the guardrail service."""
