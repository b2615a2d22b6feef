"""Adapters of audit: PostgreSQL as three roles see it, and anchors outside of it."""
