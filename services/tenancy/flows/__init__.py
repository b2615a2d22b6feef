"""What the service does with its decisions: reads facts, asks the core, writes."""
