"""One message of a call: its texts with the substitutions made, and its header."""

from functools import cached_property

from postroad.dialects.sendgrid.mail import Mail
from postroad.dialects.sendgrid.personalization import Personalization
from postroad.dialects.sendgrid.substitution import Slots, placeholder
from postroad.dialects.substitution import Allowance, Replacer
from postroad.protocol.mime.compose import address_field, unstructured
from postroad.protocol.mime.letter import Letter, field
from postroad.protocol.mime.mailbox import Mailbox

_TEXT, _AMP, _HTML = "text/plain", "text/x-amp-html", "text/html"


class Frame:
    """What the recipients of one message have in common, and where their own stands in it."""

    def __init__(
        self,
        *,
        mail: Mail,
        author: Mailbox,
        headers: list[tuple[str, str]],
        is_batch: bool,
        has_own_subjects: bool,
        first: Personalization,
        slots: Slots,
        allowance: Allowance,
    ) -> None:
        self.mail = mail
        self.author = author
        self.headers = headers
        self.is_batch = is_batch
        self.has_own_subjects = has_own_subjects
        self.first = first
        self.slots = slots
        self._allowance = allowance
        self._sections = Replacer(mail.sections, {}, allowance=allowance)

    @cached_property
    def _replacer(self) -> Replacer:
        links = self.mail.settings.links
        return Replacer(self.first.substitutions, links, allowance=self._allowance, finds_ours=self.is_batch)

    def with_sections(self, value: str) -> str:
        """Return the value of a substitution, in which names of sections stand for these."""
        return self._sections.replaced(value, self.mail.sections.__getitem__) if self.mail.sections else value

    def texts(self) -> list[tuple[str, str]]:
        """Return the texts by their types, substitutions made or marked."""
        return self._texts

    @cached_property
    def _texts(self) -> list[tuple[str, str]]:
        settings = self.mail.settings
        found = []
        for kind, written in self.mail.contents:
            text = written
            if kind == _TEXT and settings.text_end:
                text = f"{text}\n{settings.text_end}"
            elif kind == _HTML and settings.html_end:
                text = _with_end(text, settings.html_end)
            found.append((kind, self._replaced(self.with_sections(text))))
        return found

    def subject(self) -> str | None:
        """Return the subject as the header holds it."""
        if self.has_own_subjects:
            return placeholder(self.slots.of("subject", ""))
        text = self.first.subject or self.mail.subject
        return None if text is None else self._replaced(text)

    def shown_subject(self) -> str | None:
        """Return the subject as the client wrote it, of the first recipient; None where the header says it."""
        text = self.first.subject or self.mail.subject
        if not self.is_batch or (text is None and not self.has_own_subjects):
            return None
        return " ".join((text or "").split())

    def subject_of(self, one: Personalization) -> str:
        """Return the subject of one recipient's own copy."""
        text = one.subject or self.mail.subject or ""
        return self._replacer.replaced(text, lambda name: one.substitutions.get(name, name))

    def replies_to(self) -> list[Mailbox]:
        """Return whom to reply to; substitutions hold for the names."""
        return [
            Mailbox(self._replaced(one.display_name), one.local_part, one.domain) if one.display_name else one
            for one in self.mail.reply_to
        ]

    def _replaced(self, text: str) -> str:
        return self._replacer.replaced(text, self._marked if self.is_batch else self._value)

    def _marked(self, name: str) -> str:
        if name in self.first.substitutions:
            return placeholder(self.slots.of("substitution", name))
        return self.slots.literal(name)

    def _value(self, name: str) -> str:
        return self.with_sections(self.first.substitutions[name])


def letter_of(frame: Frame) -> Letter:
    """Return what a message is made of."""
    mail, first = frame.mail, frame.first
    fields = [address_field("From", [frame.author])]
    # Each recipient of a batch sees itself alone.
    fields.append(b"To: %recipient%\r\n" if frame.is_batch else address_field("To", first.to))
    if first.cc:
        fields.append(address_field("Cc", first.cc))
    if mail.reply_to:
        fields.append(address_field("Reply-To", frame.replies_to()))
    subject = frame.subject()
    if subject is not None:
        fields.append(unstructured("Subject", " ".join(subject.split())))
    fields += [field(name, value) for name, value in frame.headers]
    texts = dict(frame.texts())
    return Letter(
        fields=fields,
        text=texts.pop(_TEXT, None),
        amp=texts.pop(_AMP, None),
        html=texts.pop(_HTML, None),
        others=list(texts.items()),
        inline=mail.inline,
        attachments=mail.attachments,
    )


def _with_end(html: str, end: str) -> str:
    """Return HTML with something at the end of what is shown of it."""
    at = html.lower().rfind("</body")
    return html + end if at < 0 else html[:at] + end + html[at:]
