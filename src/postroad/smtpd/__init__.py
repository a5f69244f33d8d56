"""Ring 8: the SMTP doors: submission, and the capture sink of dev."""
