"""Ring 7: the certificate of the doors: obtained from an authority by ACME, and shown by every worker."""
