"""Tools of the build: code generation and checks."""
