"""The embedded stack: real PostgreSQL and Redis, every service and the gateway in one process."""
