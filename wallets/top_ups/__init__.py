"""Credits bought with money."""
