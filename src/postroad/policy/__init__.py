"""Ring 2: every decision as a function of facts and the time; nothing here does I/O."""
