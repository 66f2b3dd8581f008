"""What any project can use: prove, time in pairs, compare commits, keep history, report."""
