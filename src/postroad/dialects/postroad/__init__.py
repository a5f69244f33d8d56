"""Our own API's documents: messages as they are asked for, what is wrong with them, and OpenAPI's description of all that."""
