"""Starts worker processes and reads what they answer."""
