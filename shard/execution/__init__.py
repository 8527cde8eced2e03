"""A task at work."""
