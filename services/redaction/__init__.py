"""The redaction service."""
