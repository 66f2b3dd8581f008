"""Two versions of the code, timed side by side."""
