"""The model zoo: one file an architecture, all made of the layers of `inr.layers`."""
