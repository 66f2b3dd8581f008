"""Where the series come from that are timed."""
