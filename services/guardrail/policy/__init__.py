"""The decisions of the guardrail: pure, linear in the length of what they look at."""
