"""One small module per command: HELP (a line), ABOUT, EXAMPLES, `configure` (its arguments) and `run`."""
