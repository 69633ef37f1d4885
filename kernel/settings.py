"""What an operator may set: one TOML file and ``YILIAN_…`` variables, read once at the start.

A key is written ``[section] key`` in the file and ``YILIAN_SECTION_KEY`` in the environment, which
wins. Unknown keys and impossible values refuse to start, with the line and the nearest known key.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec
from msgspec import Meta, Struct

from kernel.errors import Invalid
from kernel.identifiers import AETitle, InstitutionCode, InvalidIdentifier
from kernel.settings_text import (
    Entry,
    at_key,
    read_environment,
    read_file,
    refuse_unknown,
)

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(gt=0)]
Seconds = Annotated[float, Meta(gt=0)]
_GIB: Final = 1 << 30


class SettingsRefused(Invalid):
    """A setting is unknown or impossible; the detail says where and what would be right."""

    code = "settings-refused"


class NodeKind(StrEnum):
    """Which node the settings are for."""

    COUNTY = "county"
    TOWNSHIP = "township"


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


class Door(Section, frozen=True, kw_only=True):
    """Where a door listens."""

    host: str = "127.0.0.1"
    """An address of this machine, or localhost."""
    port: Port = 0
    """0 takes a free one."""
    allow_network: bool = False
    """Must be true for any address that is not loopback."""
    allow_unencrypted: bool = False
    """Must be true for such an address while the door has no TLS of its own."""


class Http(Door, frozen=True, kw_only=True):
    """The HTTP door."""

    public_origins: tuple[str, ...] = ()
    """Origins browsers reach this node under, such as ``https://yilian.example``."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-For and -Proto count."""


class DicomWeb(Section, frozen=True, kw_only=True):
    """The DICOMweb door of a county, which is part of its HTTP door."""

    viewer_origins: tuple[str, ...] = ()
    """Other origins whose pages may read there, such as ``https://viewer.example``."""


class Dicom(Door, frozen=True, kw_only=True):
    """The DICOM door."""

    ae_title: Annotated[str, Meta(min_length=1, max_length=16)] = "YILIAN"
    """What peers call this node."""
    tls_port: Port = 2762
    """Listens only where [tls] names a certificate."""
    max_associations: Positive = 200
    """Held at once, of all peers together."""
    associations_per_address: Positive = 64
    """Of them from one address."""
    max_object_bytes: Positive = 8 * _GIB
    """A longer object is refused."""
    admit_loopback: bool = False
    """Admit any calling AE title from this machine itself; for demonstrations only."""
    commitment_give_up_hours: Annotated[int, Meta(ge=0)] = 0
    """How long a storage commitment result is offered to a device that does not take it; 0 for
    ever."""


class WebSocket(Door, frozen=True, kw_only=True):
    """The door of consultations. Not in use yet."""

    public_url: str = ""
    """What pages are told; empty for the door itself."""


class Hl7(Door, frozen=True, kw_only=True):
    """The HL7 v2 door of a county."""

    tls_port: Port = 2576
    """Listens only where [tls] names a certificate; 0 takes a free one."""
    application: str = "YILIAN"
    """What this node calls itself in MSH-3."""
    max_connections: Positive = 64
    """Held at once, of all peers together."""
    connections_per_address: Positive = 16
    """Of them from one address."""
    idle_s: Seconds = 3600.0
    """A connection that brings nothing for so long is closed."""
    keep_days: Positive = 30
    """How long messages are kept as they came, and known again when they are sent twice."""
    admit_loopback: bool = False
    """Take messages of any sender on this machine itself; for demonstrations only."""


class Node(Section, frozen=True, kw_only=True):
    """Who this node is."""

    institution: str = ""
    """Code of the institution it stands in."""
    name: str = ""
    """What people call it."""
    phone: str = ""
    """Whom to call when something is wrong."""


class DatabaseSettings(Section, frozen=True, kw_only=True):
    """Where rows go."""

    url: str = ""
    """``postgresql://…``; empty for SQLite in the home folder."""


class RedisSettings(Section, frozen=True, kw_only=True):
    """Where hints between processes go."""

    url: str = ""
    """An outside Redis or Valkey; empty for the bundled server."""
    server: str = ""
    """Another server binary, at the operator's own risk."""
    enabled: bool = True
    """Without it processes look by themselves, some hundred milliseconds later."""


class Objects(Section, frozen=True, kw_only=True):
    """Where object files go."""

    url: str = ""
    """``s3://bucket/prefix``; empty for the home folder. Not in use yet."""
    endpoint: str = ""
    """Address of the object store. Not in use yet."""
    access_key_file: str = ""
    """Holds its access key. Not in use yet."""
    secret_key_file: str = ""
    """Holds its secret key. Not in use yet."""


class Integrity(Section, frozen=True, kw_only=True):
    """Reading a county's stored objects again, to find what a disk has lost."""

    scrub_bytes_per_s: Annotated[int, Meta(ge=0)] = 4 << 20
    """How much is read at most; 0 for never."""
    scrub_days: Positive = 30
    """How long an object counts as whole after it was filed or read."""


class Journal(Section, frozen=True, kw_only=True):
    """The ingest journals."""

    reserve_bytes: Positive = 256 << 20
    """Disk space that stays free; below it nothing is accepted."""


class Routing(Section, frozen=True, kw_only=True):
    """Which studies the centre reads."""

    rules: str = ""
    """The rules file, relative to the home folder; empty sends everything to this node."""


class Access(Section, frozen=True, kw_only=True):
    """Who may see patients of other houses."""

    orders_open_patients: bool = True
    """An open order lets its house see what other houses made of the same resident number; false
    where the region asks for the patient's word each time."""


class Township(Section, frozen=True, kw_only=True):
    """A township node and its county."""

    county_url: str = ""
    """The county's address; empty: nothing is sent. Enrolment tells it, too."""
    county_public_key: str = ""
    """What the county signs receipts with, as ``yilian admin key`` prints it there."""
    county_name: str = ""
    """What pages here call the county."""
    county_phone: str = ""
    """Whom pages here say to call there."""
    county_ca_file: str = ""
    """PEM of the authority of the county's certificate; empty for the system's own."""
    token_file: str = ""
    """Holds this node's token (``yilian admin token add`` at the county), closed to others."""
    bandwidth_bits_per_s: Annotated[int, Meta(ge=0)] = 0
    """How much of the line images and letters may take; 0 for all of it."""
    parallel_uploads: Annotated[int, Meta(ge=1, le=3)] = 3
    """Parcels on the line at a time, at most; how many there are is decided by the line."""
    keep_days: Annotated[int, Meta(ge=0)] = 30
    """How long a study stays here after the county has it."""
    offline_days: Positive = 30
    """How long the county's accounts are good here after the county was last heard."""
    quiet_s: Seconds = 120.0
    """A study that has not grown for so long is whole, where no modality says how large it is."""
    commitment: Annotated[str, Meta(pattern="^(county|spool)$")] = "county"
    """When storage commitment is given: with the county's receipt, or once it is durable here."""


class Line(Section, frozen=True, kw_only=True):
    """A township's line to its county, which the clinic uses for other things, too."""

    clinic_hours: str = ""
    """Such as ``mon-sat 08:00-12:00,14:00-17:30``, by the clinic's clock; empty for never."""
    share_in_clinic_hours: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Of the line, what images and letters may take then; an emergency's images may take all."""


class Limits(Section, frozen=True, kw_only=True):
    """How much is taken at most."""

    http_body_bytes: Positive = 16 << 20
    """Of a request. Not in use yet: each door has its own limit."""
    upload_bytes: Positive = 64 * _GIB
    """Of one upload from a browser."""
    stow_bytes: Positive = 8 * _GIB
    """Of a STOW request. Not in use yet: 8 GiB."""
    requests_per_address: Positive = 256
    """Not in use yet."""
    session_idle_s: Seconds = 900.0
    """A page where nobody did anything for so long is locked."""
    session_s: Seconds = 12 * 3600.0
    """So long after signing in everybody signs in again."""
    events_keep_days: Positive = 30
    """How long the outbox keeps what happened; a page away for longer loads its lists anew."""


class Tls(Section, frozen=True, kw_only=True):
    """The node's certificate; both files or neither."""

    cert_file: str = ""
    """PEM: the certificate, then those that lead to its authority."""
    key_file: str = ""
    """PEM without a password, closed to others."""
    client_ca_file: str = ""
    """Peers of the DICOM and HL7 TLS doors must show a certificate of this authority."""

    @property
    def on(self) -> bool:
        """Whether there is a certificate."""
        return bool(self.cert_file and self.key_file)


class Log(Section, frozen=True, kw_only=True):
    """What is logged, and where."""

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"
    """The least that is written."""
    file: str = ""
    """Empty for standard error."""


class Settings(Section, frozen=True, kw_only=True):
    """Everything an operator may set."""

    node: Node = Node()
    http: Http = Http()
    dicom: Dicom = Dicom()
    dicomweb: DicomWeb = DicomWeb()
    websocket: WebSocket = WebSocket()
    hl7: Hl7 = Hl7()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    objects: Objects = Objects()
    integrity: Integrity = Integrity()
    journal: Journal = Journal()
    routing: Routing = Routing()
    access: Access = Access()
    township: Township = Township()
    line: Line = Line()
    limits: Limits = Limits()
    tls: Tls = Tls()
    log: Log = Log()

    @classmethod
    def load(
        cls,
        kind: NodeKind,
        *,
        file: Path | None = None,
        environ: Mapping[str, str] | None = None,
        port_offset: int = 0,
    ) -> Self:
        """Return the settings of a node.

        Args:
            kind: decides the default ports and AE title.
            file: the TOML file; one that does not exist is as an empty one.
            environ: this process's environment unless another is given.
            port_offset: added to every port but 0.

        Raises:
            SettingsRefused: a key is unknown, a value impossible, or a door open to the network
                that was not explicitly allowed to be.
        """
        values: dict[str, dict[str, object]] = {
            section: dict(defaults) for section, defaults in _DEFAULTS[kind].items()
        }
        known = {
            section: tuple(type(getattr(_PATTERN, section)).__struct_fields__)
            for section in cls.__struct_fields__
        }
        origins: dict[tuple[str, str], str] = {}
        try:
            for entry in (
                *read_file(file),
                *read_environment(os.environ if environ is None else environ, known),
            ):
                refuse_unknown(entry, known)
                if not entry.key:
                    continue
                values.setdefault(entry.section, {})[entry.key] = _listed(entry)
                origins[entry.section, entry.key] = entry.origin
            settings = msgspec.convert(values, cls, strict=False)
        except msgspec.ValidationError as exc:
            raise SettingsRefused(at_key(str(exc), origins)) from exc
        except ValueError as exc:
            raise SettingsRefused(str(exc)) from exc
        moved = settings._moved(port_offset)
        moved._check()
        return moved

    def _moved(self, port_offset: int) -> Self:
        doors = {}
        for name in _DOORS:
            door: Door = getattr(self, name)
            ports = {
                field: port + port_offset
                for field in ("port", "tls_port")
                if (port := getattr(door, field, 0))
            }
            if any(not 0 < port <= _LAST_PORT for port in ports.values()):
                raise SettingsRefused(f"{name}: --port-offset {port_offset} leaves the range")
            doors[name] = msgspec.structs.replace(door, **ports)
        return msgspec.structs.replace(self, **doors)

    def _check(self) -> None:
        try:
            AETitle.parse(self.dicom.ae_title)
            if self.node.institution:
                InstitutionCode.parse(self.node.institution)
        except InvalidIdentifier as exc:
            key = "dicom.ae_title" if exc.kind == "ae-title" else "node.institution"
            raise SettingsRefused(f"{key}: {exc.detail}") from exc
        for origin in self.dicomweb.viewer_origins:
            if _ORIGIN.fullmatch(origin) is None:
                raise SettingsRefused(
                    f"dicomweb.viewer_origins: {origin!r} is no origin as browsers send it: "
                    "https://host or https://host:port in lower case, nothing behind it"
                )
        if bool(self.tls.cert_file) != bool(self.tls.key_file):
            raise SettingsRefused("tls.cert_file and tls.key_file are set together or not at all")
        for name in _DOORS:
            door: Door = getattr(self, name)
            if is_loopback(door.host):
                continue
            if not door.allow_network:
                raise SettingsRefused(
                    f"{name}.host = {door.host} is open to the network: "
                    f"set {name}.allow_network = true if that is meant"
                )
            encrypted = self.tls.on and name in _WITH_TLS
            if not encrypted and not door.allow_unencrypted:
                raise SettingsRefused(
                    f"{name}.host = {door.host} has no TLS: name a certificate in [tls], "
                    f"or set {name}.allow_unencrypted = true"
                )


def _listed(entry: Entry) -> object:
    """Return the value of *entry*, cut at its commas where a list is asked for."""
    wanted = getattr(getattr(_PATTERN, entry.section), entry.key)
    if isinstance(wanted, tuple) and isinstance(entry.value, str):
        return [part.strip() for part in entry.value.split(",") if part.strip()]
    return entry.value


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a door on *host*."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_LAST_PORT: Final = 65535
_ORIGIN: Final = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?", re.ASCII)
_PATTERN: Final = Settings()
_DOORS: Final = ("http", "dicom", "websocket", "hl7")
# The plain DICOM and HL7 doors stay plain beside a certificate.
_WITH_TLS: Final = frozenset({"http", "websocket"})
_DEFAULTS: Final[Mapping[NodeKind, Mapping[str, Mapping[str, object]]]] = {
    NodeKind.COUNTY: {
        "http": {"port": 8080},
        "dicom": {"port": 11112, "ae_title": "YILIAN"},
        "websocket": {"port": 8081},
        "hl7": {"port": 2575},
    },
    NodeKind.TOWNSHIP: {
        "http": {"port": 8090},
        "dicom": {"port": 11113, "tls_port": 2763, "ae_title": "YILIAN-TWP"},
    },
}
