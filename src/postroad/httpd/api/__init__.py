"""The HTTP APIs: for programs, which prove themselves by API keys."""
