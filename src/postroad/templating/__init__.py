"""Ring 7: stored templates: changed on somebody's behalf, frozen when a message is accepted, rendered when it leaves."""
