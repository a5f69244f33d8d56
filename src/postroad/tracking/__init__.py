"""Ring 2: opens, clicks and unsubscribes: signed tokens, links in HTML, and whether a human or a machine asked."""
