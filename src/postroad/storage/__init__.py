"""Ring 5: the schema, both database engines, and one module of statements per noun."""
