"""Tests of postroad.node."""
