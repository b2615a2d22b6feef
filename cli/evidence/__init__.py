"""Evidence for an examination: controls as data, probes of the running system, a report."""
