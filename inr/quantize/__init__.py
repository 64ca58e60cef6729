"""From float tensors to integers and back: the determinism border."""
