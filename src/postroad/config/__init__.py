"""Ring 9: one TOML file and the environment, made into the settings that each package declares."""
