"""Benchmarks and evaluations: python -m bench NAME --json."""
