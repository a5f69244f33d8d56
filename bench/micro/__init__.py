"""Benches of single functions on the hot path: each module gives ``cases() -> dict[str, Callable[[], object]]``."""
