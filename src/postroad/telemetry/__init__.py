"""Ring 4: structured logs (``logs``) and metrics (``metrics``, ``exposition``)."""
