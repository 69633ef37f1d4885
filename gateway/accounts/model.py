"""Values of the accounts room, and the times that hold for a sign-in."""

import base64
import datetime as dt
import hashlib
import ipaddress
import re
import secrets
from dataclasses import dataclass
from typing import Final

from gateway.accounts.passwords import PasswordRules
from kernel.errors import Busy, Conflict, Invalid, Unauthenticated
from kernel.identity import ADMINISTRATORS, Principal, PrincipalKind, Role

_USERNAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)
TOKEN_PREFIX: Final = "ylt_"  # noqa: S105  # lets scanners find a leaked one
NODE_TOKEN_PREFIX: Final = "yln_"  # noqa: S105  # of the session of a township node


class SignInFailed(Unauthenticated):
    """Name and password do not belong together; which of them is wrong is not said."""

    code = "sign-in-failed"


class SignInLocked(Busy):
    """Too many failures from there; ``retry_after_s`` says when to come back."""

    code = "sign-in-locked"

    def __init__(self, retry_after_s: float = 0.0) -> None:
        super().__init__("too many failed sign-ins")
        self.retry_after_s = round(max(1.0, retry_after_s))


class UsernameTaken(Conflict):
    """Another account has that name."""

    code = "username-taken"


class RolesCollide(Invalid):
    """An administrator's role stands alone: the three are split, and none sees patients."""

    code = "roles-collide"


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """How long a sign-in lasts."""

    idle: dt.timedelta = dt.timedelta(minutes=15)
    absolute: dt.timedelta = dt.timedelta(hours=12)
    at_once: int = 10
    """Most sessions of one account; a new one ends the oldest."""


@dataclass(frozen=True, slots=True)
class LockTimes:
    """When failed sign-ins close the door, for one name from one range of addresses."""

    failures: int = 5
    period: dt.timedelta = dt.timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class SignInRules:
    """What holds for signing in at one node."""

    sessions: SessionTimes = SessionTimes()
    lock: LockTimes = LockTimes()
    passwords: PasswordRules = PasswordRules.MLPS3


DEFAULT_RULES: Final = SignInRules()


@dataclass(frozen=True, slots=True)
class Account:
    """One account, as administrators see it."""

    id: str
    username: str
    display_name: str
    institution: str
    kind: PrincipalKind
    roles: frozenset[Role]
    disabled: bool
    must_change_password: bool
    created_at: dt.datetime
    township: str = ""
    """What the village house of ``institution`` belongs to; empty for every other kind of house.
    Follows from the institutions: it is read, never written."""

    def principal(self) -> Principal:
        """Return who this account is when it has come in."""
        return Principal(
            self.id,
            self.username,
            self.display_name,
            self.roles,
            self.institution,
            self.kind,
            self.township,
        )


@dataclass(frozen=True, slots=True)
class SignIn:
    """A proven principal and by what."""

    principal: Principal
    sign_in_id: str
    """Names the session or token without being it; for the trail."""
    by_token: bool
    csrf: str = ""
    password_change_due: bool = False


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token, without its secret."""

    id: str
    username: str
    label: str
    created_at: dt.datetime
    expires_at: dt.datetime | None


def parse_username(raw: str) -> str:
    """Return the account name in *raw*, in lower case.

    Raises:
        Invalid: not 1 to 64 of a-z, 0-9, dot, hyphen, underline (``invalid-username``).
    """
    name = raw.strip().lower()
    if not _USERNAME.fullmatch(name):
        raise Invalid("1 to 64 of a-z 0-9 . _ -", code="invalid-username")
    return name


def check_roles(roles: frozenset[Role]) -> None:
    """Raise ``RolesCollide`` when an administrator's role is joined with any other."""
    if len(roles) > 1 and roles & ADMINISTRATORS:
        raise RolesCollide("an administrator has one role")


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is kept of *secret*; 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def csrf_of(session_secret: str) -> str:
    """Return the token a page must send with every write of this session."""
    raw = hashlib.sha256(b"csrf\0" + session_secret.encode("utf-8", "surrogateescape")).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def address_range(address: str) -> str:
    """Return the neighbourhood of *address*: /24 of IPv4, /64 of IPv6, else itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    bits = 24 if isinstance(parsed, ipaddress.IPv4Address) else 64
    return str(ipaddress.ip_network(f"{parsed}/{bits}", strict=False))
