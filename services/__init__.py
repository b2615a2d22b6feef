"""Hauberk's services: each stands alone, defends itself, and never imports another."""
