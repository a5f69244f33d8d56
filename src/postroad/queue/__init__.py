"""Ring 3: when deliveries leave and in which order: ready queues, fairness, concurrency windows.

The scheduled queue, which waits for time, is the deliveries table itself; what is here waits for capacity.
"""
