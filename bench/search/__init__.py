"""Searching among a million messages: what the first page costs."""
