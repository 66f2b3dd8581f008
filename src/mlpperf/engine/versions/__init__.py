"""Two commits on disk, ready to run: their files, their environment, and what differs."""
