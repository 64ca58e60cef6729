"""Ways to run the layers of a network: torch is the reference, every other backend is compared with it."""
