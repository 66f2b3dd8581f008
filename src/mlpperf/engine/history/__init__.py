"""What was measured before: the records, and later their comparison over commits."""
