"""Measures of quality, on arrays of samples."""
