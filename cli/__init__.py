"""The hauberk command line."""
