"""Keys, Redis and tenancy behind the ports."""
