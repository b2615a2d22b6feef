"""The redaction core: detection, overlap rules and placeholders, without any input or output."""
