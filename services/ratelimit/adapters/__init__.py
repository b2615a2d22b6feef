"""Adapters of the rate-limit service: Redis scripts, the local share, the policy file."""
