"""Webhook calls to many receivers."""
