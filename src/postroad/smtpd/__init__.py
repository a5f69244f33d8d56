"""Ring 8: the SMTP doors: submission, returned mail, and the capture sink of dev."""
