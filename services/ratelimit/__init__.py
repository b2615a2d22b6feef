"""The ratelimit service."""
