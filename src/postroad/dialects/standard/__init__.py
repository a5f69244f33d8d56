"""Events in Postroad's own words, signed by Standard Webhooks."""
