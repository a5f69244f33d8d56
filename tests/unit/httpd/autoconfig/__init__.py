"""Tests of what mail clients ask."""
