"""Processes beside the server: workers that fit, and helpers that check and decode."""
