"""Estimates of ratios, their intervals and quantiles."""
