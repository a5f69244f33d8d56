"""The services that people sign in with, put together over a test's database, with a postman who keeps what he gets."""

import re
from pathlib import Path

import pyotp

from postroad.accounts.audit_log import AuditLog
from postroad.accounts.password_hashing import hash_password
from postroad.accounts.people.console_attempts import ConsoleAttempts
from postroad.accounts.people.first_operator import FirstOperator
from postroad.accounts.people.invitations import Invitations
from postroad.accounts.people.links import Links
from postroad.accounts.people.own_password import OwnPassword
from postroad.accounts.people.password_changes import PasswordChanges
from postroad.accounts.people.people import People
from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.accounts.people.second_factor import SecondFactor
from postroad.accounts.people.sessions import Sessions, SignedIn
from postroad.accounts.people.sign_in import Granted, SecondFactorNeeded, SignIn, SignInResult
from postroad.accounts.settings import AccountsSettings
from postroad.model.actor import SYSTEM
from postroad.model.audit import AuditEntry
from postroad.model.credential import Secret
from postroad.model.user import User
from postroad.storage import users
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.secrets import Vault

from .conftest import ManualClock
from .people_rows import HERE

BASE = "https://mail.example.com"
PASSWORD = Secret("seven quiet lanterns")
OTHER_PASSWORD = Secret("eight loud lanterns")
STEP_MS = 30_000
_HASH = hash_password(PASSWORD)


class Postman:
    """Keeps notices, or loses them while ``works`` is false."""

    def __init__(self) -> None:
        self.works = True
        self.sent: list[tuple[str, str, str]] = []

    async def send(self, *, to: str, subject: str, text: str) -> bool:
        if self.works:
            self.sent.append((to, subject, text))
        return self.works

    def last_token(self) -> str:
        found = re.search(rf"{BASE}/[a-z-]+/(\S+)", self.sent[-1][2])
        assert found is not None, self.sent
        return found[1]


class ConsoleWorld:
    """Every service for people."""

    def __init__(self, database: Database, clock: ManualClock, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.database, self.clock, self.post = database, clock, Postman()
        links = Links(BASE)
        self.vault = Vault(bytes(32))
        self.passwords = PersonPasswords(queue=50, strangers_per_s=1000)
        self.attempts = ConsoleAttempts(database, clock)
        self.sessions = Sessions(database, clock, AccountsSettings())
        self.own_password = OwnPassword(self.passwords, self.attempts, clock)
        self.second_factor = SecondFactor(
            database, self.vault, clock, self.own_password, issuer="Postroad mail.example.com"
        )
        self.sign_in = SignIn(
            database,
            clock,
            passwords=self.passwords,
            attempts=self.attempts,
            second_factor=self.second_factor,
            sessions=self.sessions,
        )
        self.people = People(database, clock, self.passwords, links)
        self.changes = PasswordChanges(
            database, clock, passwords=self.passwords, own_password=self.own_password, notices=self.post, links=links
        )
        self.invitations = Invitations(database, clock, passwords=self.passwords, notices=self.post, links=links)
        self.first_operator = FirstOperator(database, clock, links, email="operator@localhost")
        self.audit = AuditLog(database)

    async def give_password(self, user: User) -> None:
        await self.database.write(users.set_password, user.id, _HASH)

    async def tries(self, email: str, password: str = PASSWORD, address: str = HERE) -> SignInResult:
        return await self.sign_in.with_password(email, Secret(password), client_address=address, user_agent="Firefox")

    async def code(self, ticket: str, code: str, address: str = HERE) -> SignInResult:
        return await self.sign_in.with_second_factor(ticket, code, client_address=address, user_agent="Firefox")

    async def signs_in(self, user: User, password: str = PASSWORD) -> SignedIn:
        result = await self.tries(user.email, password)
        assert isinstance(result, Granted), result
        return await self.signed_in(result)

    async def signed_in(self, result: SignInResult) -> SignedIn:
        assert isinstance(result, Granted), result
        found = await self.sessions.find(result.token, HERE)
        assert found is not None
        return found

    async def has_second_factor(self, user: User) -> tuple[pyotp.TOTP, list[Secret]]:
        """Turn a person's second factor on; the clock moves on so that the first code is not the next one."""
        signed_in = await self.signs_in(user)
        enrolment = await self.second_factor.begin(signed_in)
        app = pyotp.TOTP(enrolment.secret)
        codes = await self.second_factor.confirm(
            signed_in, enrolment.ticket, self.shown_by(app), HERE, password=PASSWORD
        )
        self.clock.advance(STEP_MS)
        return app, codes

    async def ticket(self, user: User) -> str:
        result = await self.tries(user.email)
        assert isinstance(result, SecondFactorNeeded), result
        return result.ticket

    def shown_by(self, app: pyotp.TOTP, steps: int = 0) -> str:
        return app.generate_otp(self.clock() // STEP_MS + steps)

    def database_files(self) -> list[Path]:
        """Return the files that hold everything the database has written."""
        return sorted(self._data_dir.glob("postroad.sqlite*"))

    async def entries(self, action: str = "") -> list[AuditEntry]:
        page = await self.audit.search(SYSTEM, AuditSelector(action=action or None))
        return page.entries
