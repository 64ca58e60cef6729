"""Initialisation strategies that apply across models."""
