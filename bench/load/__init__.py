"""The load bench: the running product and Postfix with OpenDKIM, driven alike, in one table."""
