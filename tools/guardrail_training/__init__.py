"""Trains the guardrail's linear model: data, generated texts, fit, calibration, model card."""
