"""An issuer's public keys: parsed, cached, loaded in the background."""
