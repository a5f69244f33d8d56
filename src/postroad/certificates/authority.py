"""The dialogue with a certificate authority (RFC 8555), in calls that block: run them in a thread.

Only ``ordering`` imports this module, when it needs it: the library behind it takes half a second and 30 MB.
"""

import contextlib
import importlib.metadata
from collections.abc import Iterator, Sequence
from typing import Any, cast

import josepy
import msgspec
import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from postroad.certificates.errors import OrderError
from postroad.net.settings import AcmeSettings

_REQUEST_TIMEOUT_S = 20
_POSTS = 5


class Challenge(msgspec.Struct, frozen=True):
    """A token that the authority will ask for under one of the names, and the answer it expects."""

    token: str
    authorization: str


class Order:
    """One order: what must be answered, then the certificate."""

    def __init__(self, acme: client.ClientV2, order: messages.OrderResource) -> None:
        self._acme = acme
        self._order = order
        self._bodies = [body for one in order.authorizations if (body := _http_challenge(one)) is not None]

    @property
    def challenges(self) -> tuple[Challenge, ...]:
        """What must be answered on port 80 of the names before ``finish``; none for names that are proven already."""
        key = self._acme.net.key
        return tuple(Challenge(body.chall.encode("token"), body.chall.validation(key)) for body in self._bodies)

    def finish(self) -> str:
        """Have the names proven and the certificate issued, within 90 seconds; returns its chain in PEM.

        Raises OrderError.
        """
        with _understood():
            for body in self._bodies:
                self._acme.answer_challenge(body, body.response(self._acme.net.key))
            return str(self._acme.poll_and_finalize(self._order).fullchain_pem)


class _Network(client.ClientNetwork):
    """Asks anew with a fresh nonce more often than the library, which does so once.

    RFC 8555 §6.5: that a nonce is refused says nothing about the request; authorities forget nonces when they
    restart or are several behind one name, and two such refusals in a row cost an order.
    """

    def post(self, *args: Any, **options: Any) -> requests.Response:
        for _ in range(_POSTS - 1):
            try:
                return super().post(*args, **options)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **options)


class Authority:
    """The authority of the settings, for one account key (PEM)."""

    def __init__(self, settings: AcmeSettings, account_key: bytes) -> None:
        self._settings = settings
        self._key = account_key

    def begin(self, names: Sequence[str], private_key: bytes) -> Order:
        """Order a certificate for names and a key (PEM); raises OrderError."""
        with _understood():
            acme = self._client()
            if acme.external_account_required():
                raise OrderError("the authority takes only accounts that were opened with it elsewhere")
            self._register(acme)
            return Order(acme, acme.new_order(_signing_request(names, private_key)))

    def _client(self) -> client.ClientV2:
        key = serialization.load_pem_private_key(self._key, None)
        net = _Network(
            JWKEC(key=cast("ec.EllipticCurvePrivateKeyWithSerialization", key)),
            alg=ES256,
            user_agent=f"postroad/{importlib.metadata.version('postroad')}",
            timeout=_REQUEST_TIMEOUT_S,
        )
        if self._settings.authorities:
            # The library hands this on to requests, which takes a file as well as a yes.
            net.verify_ssl = cast("bool", self._settings.authorities)
        return client.ClientV2(client.ClientV2.get_directory(self._settings.directory, net), net)

    def _register(self, acme: client.ClientV2) -> None:
        """Open the account, or find the one that the key has already (RFC 8555 §7.3.1)."""
        wanted = messages.NewRegistration.from_data(
            email=self._settings.email or None, terms_of_service_agreed=self._settings.agree_terms
        )
        try:
            acme.new_account(wanted)
        except errors.ConflictError as error:
            acme.net.account = messages.RegistrationResource(uri=error.location, body=messages.Registration())


def _signing_request(names: Sequence[str], private_key: bytes) -> bytes:
    key = cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(private_key, None))
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM)


def _http_challenge(authorization: messages.AuthorizationResource) -> messages.ChallengeBody | None:
    """Return the HTTP-01 challenge of a name that is still to be proven; raises OrderError where none is offered."""
    if authorization.body.status == messages.STATUS_VALID:
        return None
    for body in authorization.body.challenges:
        if isinstance(body.chall, challenges.HTTP01):
            return body
    raise OrderError(f"{authorization.body.identifier.value}: the authority offers no proof by HTTP")


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """Turn whatever the library raises into one sentence."""
    try:
        yield
    except errors.ValidationError as error:
        raise OrderError("; ".join(_refused(one) for one in error.failed_authzrs)) from error
    except errors.TimeoutError as error:
        raise OrderError("the authority did not decide within 90 seconds") from error
    except messages.Error as error:
        raise OrderError(f"the authority refused: {error.detail or error.description or error.typ}") from error
    except errors.Error as error:
        raise OrderError(f"the authority's answer was not understood: {error or type(error).__name__}") from error
    except requests.RequestException as error:
        raise OrderError(f"the authority was not reached: {error}") from error
    except (josepy.errors.Error, ValueError, KeyError, OSError) as error:
        raise OrderError(f"the authority's answer was not understood: {error!r}") from error


def _refused(authorization: messages.AuthorizationResource) -> str:
    reasons = [body.error.detail or body.error.typ for body in authorization.body.challenges if body.error is not None]
    return f"{authorization.body.identifier.value}: {', '.join(map(str, reasons))}"
