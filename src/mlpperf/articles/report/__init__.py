"""What the articles add to the report: pages, figures, and what stands first."""
