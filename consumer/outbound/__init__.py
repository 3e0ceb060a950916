"""The only way out: every connection that a heal opens leaves through here, after the egress guard."""
