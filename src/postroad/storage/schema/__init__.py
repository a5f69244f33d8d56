"""Every table, for statements; ``migrations`` creates them and a test holds the two equal."""

from postroad.storage.schema import control_plane, data_plane
from postroad.storage.schema.metadata import metadata

__all__ = ["control_plane", "data_plane", "metadata"]
