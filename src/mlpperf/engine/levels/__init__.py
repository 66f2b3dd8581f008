"""Levels over commits: what each commit changed, from comparisons of two commits at a time."""
