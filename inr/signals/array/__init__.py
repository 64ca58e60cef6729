"""Plain arrays."""
