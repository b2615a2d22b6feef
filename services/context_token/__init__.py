"""Context tokens: moves context between the brands of one organisation without exposing it."""
