"""Ring 3: when and in which order deliveries leave: ready queues, fairness, concurrency windows."""
