"""What a field is fitted for: forward operators around it."""
