"""The command line `hauberk`."""
