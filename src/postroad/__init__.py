"""Postroad: a self-hosted email sending platform."""
