"""The HTTP edge: every public method as JSON, AuthZEN, and public keys. It decides nothing itself."""
