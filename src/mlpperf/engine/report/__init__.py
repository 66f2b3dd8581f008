"""The report: what was measured, as a static site that people like to read."""
