"""Ring 7: accepted messages as people see and steer them."""
