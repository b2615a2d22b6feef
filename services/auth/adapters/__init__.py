"""What auth's ports are made of: PostgreSQL, Redis, an issuer's key set, tenancy over gRPC, keys."""
