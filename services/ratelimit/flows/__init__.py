"""What the rate-limit service does beside deciding: signals of abuse, grants, resets."""
