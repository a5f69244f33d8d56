"""Commands that send a first message by each of the HTTP APIs, ready to be pasted into a shell."""

import msgspec


class CallExample(msgspec.Struct, frozen=True):
    """A command, and whose API it calls."""

    api: str
    command: str


def call_examples(base: str, domain: str, key: str) -> list[CallExample]:
    """Return the commands for a sending domain.

    Args:
        base: Where the APIs are: ``https://mail.example.com``.
        domain: The sending domain.
        key: The text of the key, or what stands for it.
    """
    sender, recipient = f"hello@{domain}", "you@example.net"
    json = "-H 'Content-Type: application/json'"
    own = f'{{"from": "{sender}", "to": ["{recipient}"], "subject": "Hello", "text": "It works."}}'
    sendgrid = (
        f'{{"personalizations": [{{"to": [{{"email": "{recipient}"}}]}}], "from": {{"email": "{sender}"}}, '
        '"subject": "Hello", "content": [{"type": "text/plain", "value": "It works."}]}'
    )
    sparkpost = (
        f'{{"recipients": [{{"address": "{recipient}"}}], '
        f'"content": {{"from": "{sender}", "subject": "Hello", "text": "It works."}}}}'
    )
    return [
        CallExample(
            "Postroad", f"curl -H 'Authorization: Bearer {key}' {json} {base}/api/postroad/v1/messages -d '{own}'"
        ),
        CallExample(
            "Mailgun",
            f"curl --user 'api:{key}' {base}/v3/{domain}/messages -F from={sender} -F to={recipient} -F subject=Hello "
            "-F text='It works.'",
        ),
        CallExample("SendGrid", f"curl -H 'Authorization: Bearer {key}' {json} {base}/v3/mail/send -d '{sendgrid}'"),
        CallExample("SparkPost", f"curl -H 'Authorization: {key}' {json} {base}/api/v1/transmissions -d '{sparkpost}'"),
    ]
