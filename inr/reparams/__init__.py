"""Reparameterisations: other parameters to train, the same ones to store."""
