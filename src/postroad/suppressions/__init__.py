"""The lists of addresses that sending domains do not mail, as people and programs change them."""
