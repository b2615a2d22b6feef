"""The guardrail service."""
