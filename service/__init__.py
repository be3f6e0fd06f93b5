"""The HTTP service over a bundle and the state."""
