"""The page of statistics over a year of counters: what it costs."""
