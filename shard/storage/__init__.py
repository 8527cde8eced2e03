"""Objects in and out."""
