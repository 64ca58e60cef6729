"""From a signal to bytes and back."""
