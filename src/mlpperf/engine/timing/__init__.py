"""Blocks, pairs, intervals, and the machine that they are measured on."""
