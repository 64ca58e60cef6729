"""Coders: ways from a signal to payloads of a file and back."""
