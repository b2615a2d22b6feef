"""What every Hauberk process shares: no business word in it."""
