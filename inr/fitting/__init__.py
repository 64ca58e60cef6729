"""Fitting a field to a signal."""
