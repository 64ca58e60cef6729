"""Lossless coding of integers in integer arithmetic: the same bytes and the same symbols on every machine."""
