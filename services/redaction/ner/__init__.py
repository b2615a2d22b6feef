"""Names and places: a small model of our own, or one of spaCy, in processes of their own."""
