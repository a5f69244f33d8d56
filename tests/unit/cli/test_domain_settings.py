"""Settings of a domain as assignments: what is read, and how what does not fit is refused."""

import click
import pytest

from postroad.cli.domain import changed_settings
from postroad.model.dedupe import Deduplicate
from postroad.model.domain import DomainSettings
from postroad.model.options import TlsDemand


def test_assignments_change_what_they_name() -> None:
    changed = changed_settings(DomainSettings(), ["require_tls=encrypt", "test_mode=on", "deduplicate_minutes=30"])
    assert changed == DomainSettings(require_tls=TlsDemand.ENCRYPT, test_mode=True, deduplicate_minutes=30)


@pytest.mark.parametrize("word", ["yes", "true", "on", "1", "Yes"])
def test_a_switch_takes_the_words_that_headers_take(word: str) -> None:
    assert changed_settings(DomainSettings(), [f"tracks_opens={word}"]).tracks_opens


@pytest.mark.parametrize("word", ["no", "false", "off", "0"])
def test_a_switch_is_turned_off_by_the_words_that_headers_take(word: str) -> None:
    assert not changed_settings(DomainSettings(tracks_opens=True), [f"tracks_opens={word}"]).tracks_opens


def test_a_choice_is_no_switch_though_it_has_a_word_of_one() -> None:
    changed = changed_settings(DomainSettings(), ["deduplicate=off", "require_tls=yes"])
    assert changed == DomainSettings(deduplicate=Deduplicate.OFF, require_tls=TlsDemand.VERIFY)


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("require_tls=maybe", "require_tls must be one of no, encrypt, yes."),
        ("deduplicate_minutes=long", "deduplicate_minutes must be a whole number, 0 to 10080."),
        ("deduplicate_minutes=10081", "deduplicate_minutes must be a whole number, 0 to 10080."),
        ("test_mode=perhaps", 'test_mode must be yes or no (also true, false, on, off, 1, 0), not "perhaps".'),
        ("pause_complaint_percent=much", "pause_complaint_percent must be a number, 0 to 99."),
        (f"imap_host={'x' * 254}", "imap_host must be a text of at most 253 characters."),
        ("require_tsl=yes", "require_tsl is not a setting of a domain; did you mean require_tls?"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(assignment: str, sentence: str) -> None:
    with pytest.raises(click.ClickException) as refused:
        changed_settings(DomainSettings(), [assignment])
    assert refused.value.message == sentence
