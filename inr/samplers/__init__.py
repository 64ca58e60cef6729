"""Which samples a training step looks at."""
