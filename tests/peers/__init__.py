"""Real peers for tests and benches: other people's mail programs, each started privately and stopped without a trace."""
