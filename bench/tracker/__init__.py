"""The tracker's door under load."""
