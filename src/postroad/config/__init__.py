"""Ring 9: one TOML file and the environment, made into the settings that each package declares."""

from postroad.config.load import ConfigError, load
from postroad.config.settings import AdminSettings, Settings

__all__ = ["AdminSettings", "ConfigError", "Settings", "load"]
