"""Ring 1: the nouns of the platform, one immutable value per stage of the flow.

Instants are integers: milliseconds since 1970-01-01 UTC. Domains are A-labels in lower case.
"""
