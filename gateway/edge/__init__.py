"""Where traffic already flows: the gateway's decisions in the words of proxies and of plain HTTP."""
