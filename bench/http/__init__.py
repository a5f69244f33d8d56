"""How fast messages are taken by HTTP."""
