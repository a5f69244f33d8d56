"""Alembic's environment and the numbered steps of the schema; run by ``storage.migrate``."""
