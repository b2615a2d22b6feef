"""The words of OpenAI-compatible interfaces, read strictly and written back: no input or output here."""
