"""Benches: how fast the product is beside its peers, and how fast its parts are."""
