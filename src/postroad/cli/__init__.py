"""Ring 11: the commands, one file per noun; nouns come first, then verbs.

Exit codes: 0 done, 1 refused with a sentence on the error output, 2 not understood.
"""

from postroad.cli.group import LazyGroup

COMMANDS = {
    "dev": "postroad.cli.dev:dev",
    "serve": "postroad.cli.serve:serve",
    "check": "postroad.cli.check:check",
    "migrate": "postroad.cli.migrate:migrate",
    "backup": "postroad.cli.backup:backup",
    "restore": "postroad.cli.backup:restore",
    "certificate": "postroad.cli.certificate:certificate",
    "account": "postroad.cli.account:account",
    "user": "postroad.cli.user:user",
    "domain": "postroad.cli.domain:domain",
    "smtp-user": "postroad.cli.smtp_user:smtp_user",
    "lockout": "postroad.cli.lockout:lockout",
    "api-key": "postroad.cli.api_key:api_key",
    "signing-key": "postroad.cli.signing_key:signing_key",
    "message": "postroad.cli.message:message",
    "queue": "postroad.cli.queue:queue",
    "complaint": "postroad.cli.complaint:complaint",
    "tracking": "postroad.cli.tracking:tracking",
    "inbound": "postroad.cli.inbound:inbound",
    "route": "postroad.cli.route:route",
    "template": "postroad.cli.template:template",
    "webhook": "postroad.cli.webhook:webhook",
    "suppression": "postroad.cli.suppression:suppression",
    "address": "postroad.cli.address:address",
    "events": "postroad.cli.events:events",
    "stats": "postroad.cli.stats:stats",
    "audit": "postroad.cli.audit:audit",
}
"""Every command, by the place of its code."""

main = LazyGroup("postroad", COMMANDS, "Postroad: a self-hosted email sending platform.")
"""The ``postroad`` command."""
