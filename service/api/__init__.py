"""The services of the interface, one file each."""
