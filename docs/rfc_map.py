"""The RFC map: which section is named where in the code; made of the references in the sources."""

import re
from collections import defaultdict
from pathlib import Path

TITLES = {
    1035: "Domain Names: Implementation and Specification",
    1047: "Duplicate Messages and SMTP",
    1468: "Japanese Character Encoding for Internet Messages",
    1557: "Korean Character Encoding for Internet Messages",
    1652: "SMTP Service Extension for 8bit-MIMEtransport",
    1847: "Security Multiparts for MIME",
    1123: "Requirements for Internet Hosts: Application and Support",
    1870: "SMTP Service Extension for Message Size Declaration",
    1939: "Post Office Protocol 3",
    1952: "GZIP file format specification version 4.3",
    2034: "SMTP Service Extension for Returning Enhanced Error Codes",
    2045: "MIME Part One: Format of Internet Message Bodies",
    2046: "MIME Part Two: Media Types",
    2047: "MIME Part Three: Message Header Extensions for Non-ASCII Text",
    2181: "Clarifications to the DNS Specification",
    2183: "The Content-Disposition Header Field",
    2231: "MIME Parameter Value and Encoded Word Extensions",
    2308: "Negative Caching of DNS Queries",
    2369: "The Use of URLs as Meta-Syntax for Mail List Commands",
    2387: "The MIME Multipart/Related Content-type",
    2392: "Content-ID and Message-ID Uniform Resource Locators",
    2781: "UTF-16, an encoding of ISO 10646",
    2782: "A DNS RR for Specifying the Location of Services (DNS SRV)",
    2919: "List-Id: A Structured Field and Namespace for the Identification of Mailing Lists",
    2920: "SMTP Service Extension for Command Pipelining",
    3030: "SMTP Service Extensions for Large and Binary MIME Messages",
    3056: "Connection of IPv6 Domains via IPv4 Clouds",
    3207: "SMTP Service Extension for Secure SMTP over TLS",
    3339: "Date and Time on the Internet: Timestamps",
    3461: "SMTP Service Extension for Delivery Status Notifications",
    3462: "The Multipart/Report Content Type",
    3463: "Enhanced Mail System Status Codes",
    3464: "An Extensible Message Format for Delivery Status Notifications",
    3596: "DNS Extensions to Support IP Version 6",
    3676: "The Text/Plain Format and DelSp Parameters",
    3696: "Application Techniques for Checking and Transformation of Names",
    3834: "Recommendations for Automatic Responses to Electronic Mail",
    3848: "ESMTP and LMTP Transmission Types Registration",
    3986: "Uniform Resource Identifier (URI): Generic Syntax",
    3987: "Internationalized Resource Identifiers (IRIs)",
    4035: "Protocol Modifications for the DNS Security Extensions",
    4291: "IP Version 6 Addressing Architecture",
    4343: "Domain Name System (DNS) Case Insensitivity Clarification",
    4616: "The PLAIN SASL Mechanism",
    4648: "The Base16, Base32, and Base64 Data Encodings",
    4865: "SMTP Submission Service Extension for Future Message Release",
    4871: "DomainKeys Identified Mail (historic)",
    4954: "SMTP Service Extension for Authentication",
    5233: "Sieve Email Filtering: Subaddress Extension",
    5248: "A Registry for SMTP Enhanced Mail System Status Codes",
    5280: "Internet X.509 Public Key Infrastructure Certificate and CRL Profile",
    5321: "Simple Mail Transfer Protocol",
    5322: "Internet Message Format",
    5452: "Measures for Making DNS More Resilient against Forged Answers",
    5782: "DNS Blacklists and Whitelists",
    5890: "Internationalized Domain Names for Applications: Definitions and Document Framework",
    5891: "Internationalized Domain Names in Applications: Protocol",
    5905: "Network Time Protocol Version 4",
    5965: "An Extensible Format for Email Feedback Reports",
    6052: "IPv6 Addressing of IPv4/IPv6 Translators",
    6152: "SMTP Service Extension for 8-bit MIME Transport",
    6186: "Use of SRV Records for Locating Email Submission/Access Services",
    6238: "TOTP: Time-Based One-Time Password Algorithm",
    6265: "HTTP State Management Mechanism",
    6376: "DomainKeys Identified Mail (DKIM) Signatures",
    6409: "Message Submission for Mail",
    6430: "Email Feedback Report Type Value: not-spam",
    6522: "The Multipart/Report Media Type",
    6531: "SMTP Extension for Internationalized Email",
    6532: "Internationalized Email Headers",
    6533: "Internationalized Delivery Status and Disposition Notifications",
    6585: "Additional HTTP Status Codes",
    6591: "Authentication Failure Reporting Using the Abuse Reporting Format",
    6749: "The OAuth 2.0 Authorization Framework",
    6750: "The OAuth 2.0 Authorization Framework: Bearer Token Usage",
    6761: "Special-Use Domain Names",
    6762: "Multicast DNS",
    6797: "HTTP Strict Transport Security (HSTS)",
    6840: "Clarifications and Implementation Notes for DNS Security",
    6890: "Special-Purpose IP Address Registries",
    6891: "Extension Mechanisms for DNS (EDNS(0))",
    6979: "Deterministic Usage of the Digital Signature Algorithm (DSA) and ECDSA",
    7208: "Sender Policy Framework (SPF)",
    7435: "Opportunistic Security: Some Protection Most of the Time",
    7489: "Domain-based Message Authentication, Reporting, and Conformance (historic)",
    7504: "SMTP 521 and 556 Reply Codes",
    7505: "A Null MX No Service Resource Record",
    7515: "JSON Web Signature (JWS)",
    7519: "JSON Web Token (JWT)",
    7578: "Returning Values from Forms: multipart/form-data",
    7617: "The 'Basic' HTTP Authentication Scheme",
    7636: "Proof Key for Code Exchange by OAuth Public Clients",
    7766: "DNS Transport over TCP",
    8058: "Signaling One-Click Functionality for List Email Headers",
    8259: "The JavaScript Object Notation (JSON) Data Interchange Format",
    8265: "Preparation, Enforcement, and Comparison of Internationalized Strings Representing Usernames and Passwords",
    8301: "Cryptographic Algorithm and Key Usage Update to DKIM",
    8314: "Cleartext Considered Obsolete: Use of TLS for Email Submission and Access",
    8446: "The Transport Layer Security (TLS) Protocol Version 1.3",
    8463: "A New Cryptographic Signature Method for DKIM: Ed25519-SHA256",
    8555: "Automatic Certificate Management Environment (ACME)",
    8601: "Message Header Field for Indicating Message Authentication Status",
    8616: "Email Authentication for Internationalized Mail",
    8617: "The Authenticated Received Chain (ARC) Protocol",
    8767: "Serving Stale Data to Improve DNS Resiliency",
    8914: "Extended DNS Errors",
    8997: "Deprecation of TLS 1.1 for Email Submission and Access",
    9052: "CBOR Object Signing and Encryption (COSE): Structures and Process",
    9110: "HTTP Semantics",
    9112: "HTTP/1.1",
    9207: "OAuth 2.0 Authorization Server Issuer Identification",
    9422: "The LIMITS SMTP Service Extension",
    9457: "Problem Details for HTTP APIs",
    9476: "The .alt Special-Use Top-Level Domain",
    9520: "Negative Caching of DNS Resolution Failures",
    9525: "Service Identity in TLS",
    9580: "OpenPGP",
    9715: "IP Fragmentation Avoidance in DNS over UDP",
    9989: "Domain-based Message Authentication, Reporting, and Conformance (DMARC)",
}

_REFERENCE = re.compile(r"RFC (\d{3,5})((?: §[A-Z]?[\d.]*\d)?(?:(?:,| and) §[\d.]*\d)*)")
_SECTION = re.compile(r"§([A-Z]?[\d.]*\d)")
Places = dict[int, dict[str, set[str]]]


class UnknownRfcError(Exception):
    """The code names an RFC that the map has no title for."""


def places(sources: Path) -> Places:
    """Return the modules that name each section of each RFC; the empty section is the RFC as a whole."""
    found: Places = defaultdict(lambda: defaultdict(set))
    for path in sorted(sources.rglob("*.py")):
        module = str(path.relative_to(sources.parent))
        for number, sections in _REFERENCE.findall(path.read_text("utf-8")):
            for section in _SECTION.findall(sections) or [""]:
                found[int(number)][section].add(module)
    return found


def render(sources: Path) -> str:
    """Return the page; raises UnknownRfcError."""
    found = places(sources)
    unknown = sorted(set(found) - set(TITLES))
    if unknown:
        raise UnknownRfcError(f"docs/rfc_map.py has no title for RFC {', '.join(map(str, unknown))}")
    lines = [
        "# RFC map",
        "",
        "Which section is implemented where; made of the references in the code by `make docs`.",
        "",
    ]
    for number in sorted(found):
        lines += [f"## RFC {number}: {TITLES[number]}", "", "| section | modules |", "| --- | --- |"]
        for section in sorted(found[number], key=_order):
            modules = ", ".join(f"`{module}`" for module in sorted(found[number][section]))
            lines.append(f"| {'§' + section if section else 'as a whole'} | {modules} |")
        lines.append("")
    return "\n".join(lines)


def _order(section: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in section.split(".")] if section else []
