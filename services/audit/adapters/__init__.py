"""Adapters of tenancy: PostgreSQL, and a short memory in front of it."""
