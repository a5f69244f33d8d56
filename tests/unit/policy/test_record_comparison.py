"""Judging what was found in DNS."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from postroad.policy.record_comparison import Found, RecordVerdict, VerdictStatus, compare
from postroad.policy.records import ExpectedRecord, RecordForm, RecordPurpose

KEY = base64.b64encode(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
OTHER = base64.b64encode(bytes(32)).decode()
OK, MISSING, DIFFERENT = VerdictStatus.OK, VerdictStatus.MISSING, VerdictStatus.DIFFERENT


def judge(purpose: RecordPurpose, form: RecordForm, value: str, *texts: str) -> RecordVerdict:
    expected = ExpectedRecord(
        purpose=purpose, name="name.example.com", form=form, value=value, is_required=True, reason=""
    )
    return compare(expected, Found(texts))


@pytest.mark.parametrize(
    ("texts", "status", "hint"),
    [
        ((f"v=DKIM1; k=ed25519; p={KEY}",), OK, ""),
        ((f"k=ed25519;p={KEY[:20]} {KEY[20:]} ;",), OK, ""),
        ((f"v=DKIM1; t=y; k=ed25519; p={KEY}",), OK, "t=y"),
        ((), MISSING, "Publish the TXT record at name.example.com"),
        ((f"v=DKIM1; k=ed25519; p={OTHER}",), DIFFERENT, "Another key"),
        ((f"v=DKIM1; p={KEY}",), DIFFERENT, "holds no public key"),
        (("v=DKIM1; k=ed25519; p=",), DIFFERENT, "revoked"),
        (("v=spf1 -all",), DIFFERENT, "is not a DKIM key"),
        ((f"v=DKIM1; k=ed25519; p={KEY}", f"v=DKIM1; k=ed25519; p={OTHER}"), DIFFERENT, "There are 2 DKIM keys"),
        (("unrelated words", f"v=DKIM1; k=ed25519; p={KEY}"), OK, ""),
        ((f"v=DKIM1; h=sha1; k=ed25519; p={KEY}",), DIFFERENT, "h= tag"),
        ((f"v=DKIM1; s=tlsrpt; k=ed25519; p={KEY}",), DIFFERENT, "s= tag"),
        ((f"v=DKIM1; s=email; h=sha256:sha1; k=ed25519; p={KEY}",), OK, ""),
    ],
)
def test_a_dkim_record_is_compared_by_its_key(texts: tuple[str, ...], status: VerdictStatus, hint: str) -> None:
    verdict = judge(RecordPurpose.DKIM, "TXT", f"v=DKIM1; k=ed25519; p={KEY}", *texts)

    assert verdict.status is status
    assert hint in verdict.hint
    assert bool(hint) is bool(verdict.hint)


@pytest.mark.parametrize(
    ("texts", "status", "hint"),
    [
        (("v=spf1 ip4:192.0.2.1 include:spf.example.net -all",), OK, ""),
        (("v=spf1 include:elsewhere.test +include:SPF.example.net ip4:192.0.2.1 ~all",), OK, ""),
        (("unrelated", "V=SPF1 ip4:192.0.2.1 include:spf.example.net"), OK, ""),
        ((), MISSING, "Publish the TXT record v=spf1"),
        (("v=spf10 ip4:192.0.2.1 include:spf.example.net",), MISSING, "Publish"),
        (("v=spf1 ip4:192.0.2.1 -all",), DIFFERENT, "lacks include:spf.example.net before its all"),
        (("v=spf1 -all ip4:192.0.2.1 include:spf.example.net",), DIFFERENT, "lacks ip4:192.0.2.1 include:spf"),
        (("v=spf1 -ip4:192.0.2.1 include:spf.example.net",), DIFFERENT, "lacks ip4:192.0.2.1"),
        (("v=spf1 ip4:192.0.2.1 include:spf.example.net", "v=spf1 -all"), DIFFERENT, "There are 2 SPF records"),
    ],
)
def test_an_spf_record_must_let_pass_what_is_needed(texts: tuple[str, ...], status: VerdictStatus, hint: str) -> None:
    value = "v=spf1 ip4:192.0.2.1 include:spf.example.net -all"

    verdict = judge(RecordPurpose.RETURN_PATH_SPF, "TXT", value, *texts)

    assert verdict.status is status
    assert hint in verdict.hint


@pytest.mark.parametrize(
    ("texts", "status", "hint"),
    [
        (("10 in.example.net",), OK, ""),
        (("5 In.Example.Net.", "10 backup.test"), OK, ""),
        ((), MISSING, "Publish the MX record 10 in.example.net"),
        (("10 other.test",), DIFFERENT, "goes to another host"),
        (("10 in.example.net", "5 other.test"), DIFFERENT, "comes before in.example.net"),
    ],
)
def test_returned_mail_must_reach_our_host_first(texts: tuple[str, ...], status: VerdictStatus, hint: str) -> None:
    verdict = judge(RecordPurpose.RETURN_PATH_MX, "MX", "10 in.example.net", *texts)

    assert verdict.status is status
    assert hint in verdict.hint


@pytest.mark.parametrize(
    ("texts", "status", "hint"),
    [
        (("Target.example.net.",), OK, ""),
        ((), MISSING, "Publish a CNAME at name.example.com that leads to target.example.net"),
        (("other.test",), DIFFERENT, "should lead to target.example.net"),
    ],
)
def test_an_alias_must_lead_to_its_target(texts: tuple[str, ...], status: VerdictStatus, hint: str) -> None:
    verdict = judge(RecordPurpose.TRACKING, "CNAME", "target.example.net", *texts)

    assert verdict.status is status
    assert hint in verdict.hint


@pytest.mark.parametrize(
    ("texts", "status", "hint"),
    [
        (("v=DMARC1; p=reject; rua=mailto:d@example.com",), OK, ""),
        (("v=DMARC1",), OK, ""),
        (("v = DMARC1 ;p=none;",), OK, ""),
        ((), MISSING, "here or at a parent domain"),
        (("v=DMARC2; p=none",), MISSING, "here or at a parent domain"),
        (("v=DMARC1; p=monitor",), DIFFERENT, "p=none, p=quarantine or p=reject"),
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), DIFFERENT, "There are 2 DMARC records"),
    ],
)
def test_any_valid_dmarc_policy_will_do(texts: tuple[str, ...], status: VerdictStatus, hint: str) -> None:
    verdict = judge(RecordPurpose.DMARC, "TXT", "v=DMARC1; p=none", *texts)

    assert verdict.status is status
    assert hint in verdict.hint


def test_a_failed_look_up_says_nothing_of_the_record() -> None:
    expected = ExpectedRecord(
        purpose=RecordPurpose.DMARC, name="n", form="TXT", value="v=DMARC1", is_required=False, reason=""
    )

    verdict = compare(expected, Found(failure="SERVFAIL"))

    assert (verdict.status, verdict.hint) == (VerdictStatus.UNKNOWN, "DNS gave no answer (SERVFAIL); try again.")


def test_the_verdict_shows_all_that_was_found() -> None:
    assert judge(RecordPurpose.DMARC, "TXT", "v=DMARC1", "one", "two").found == "one | two"


@pytest.mark.parametrize(
    ("texts", "status", "hint"),
    [
        (("0 1 465 mail.example.net",), OK, ""),
        (("10 5 465 MAIL.example.net.",), OK, ""),
        (("0 1 465 mail.example.net", "20 1 465 elsewhere.example"), OK, ""),
        ((), MISSING, "Publish the SRV record 0 1 465 mail.example.net"),
        (("0 1 587 mail.example.net",), DIFFERENT, "leads elsewhere"),
        (("0 0 0 ",), DIFFERENT, "leads elsewhere"),
        (("0 1 465 elsewhere.example", "10 1 465 mail.example.net"), DIFFERENT, "comes before mail.example.net"),
    ],
)
def test_a_service_record_is_compared_by_where_clients_go_first(
    texts: tuple[str, ...], status: VerdictStatus, hint: str
) -> None:
    verdict = judge(RecordPurpose.MAIL_CLIENTS, "SRV", "0 1 465 mail.example.net", *texts)

    assert verdict.status is status
    assert hint in verdict.hint
