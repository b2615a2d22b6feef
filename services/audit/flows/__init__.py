"""What audit does: takes events in, seals them into chains, signs, anchors, reads and verifies."""
