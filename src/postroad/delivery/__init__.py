"""Ring 7: from due deliveries to settled ones."""
