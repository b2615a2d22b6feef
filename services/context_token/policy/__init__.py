"""What is decided about context tokens, without any I/O."""
