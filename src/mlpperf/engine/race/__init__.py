"""Races the variants of a hot path against each other."""
