"""What templates and versions may be called, and what finds them."""

import pytest

from postroad.policy.template_name import lookup_keys, name_fault, tag_fault


@pytest.mark.parametrize("name", ["welcome", "welcome.html", "Grüße", "order-confirmation_2", "a&b", "x" * 128])
def test_names_that_may_be_used(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize("name", ["", " ", "a b", "a:1", "a/b", "a\\b", "a\tb", "{a}", "a\x7f", 'a"b', "x" * 129])
def test_names_that_may_not(name: str) -> None:
    assert name_fault(name) is not None


@pytest.mark.parametrize(
    ("tag", "is_sound"),
    [("spring", True), ("v1.2", True), ("12", False), ("a b", False), ("a:b", False), ("x" * 65, False)],
)
def test_tags(tag: str, is_sound: bool) -> None:
    assert (tag_fault(tag) is None) is is_sound


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("Welcome", ("welcome",)),
        ("Welcome.HTML", ("welcome.html", "welcome")),
        ("order.v2", ("order.v2",)),
        (".html", (".html",)),
        ("STRASSE", ("strasse",)),
        ("straße.hbs", ("strasse.hbs", "strasse")),
    ],
)
def test_a_file_name_is_looked_for_as_it_is_and_then_bare(name: str, keys: tuple[str, ...]) -> None:
    assert lookup_keys(name) == keys
