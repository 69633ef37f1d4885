"""``POST /fhir``: batches and transactions against the rooms."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
import sqlalchemy as sa

from gateway.fhir.answers import Json, etag, searchset, to_json
from gateway.fhir.bundle import Entry, at_entry, bundle_type, in_order, read_entry, resolved
from gateway.fhir.interactions import ROOT, Rooms
from gateway.fhir.outcome import outcome_of, status_of
from gateway.fhir.preconditions import read_if_match
from gateway.fhir.search import Pair, parse_search, write_cursor
from kernel.errors import PlatformError
from kernel.fhir.resource import Asker, Found, Interaction
from kernel.sql.db import Database


@dataclass(frozen=True, slots=True)
class Done:
    """What an act of a Bundle led to."""

    response: Json
    shown: tuple[Found, ...] = ()
    """What of it leaves; each look at a patient is written down before."""
    address: str = ""
    """Of the resource that was made or changed, as others refer to it."""


@dataclass(slots=True)
class Answered:
    """The Bundle that answers, and what it shows."""

    bundle: Json
    shown: list[Found] = field(default_factory=list)


class Transactions:
    """Does what Bundles ask for."""

    def __init__(self, rooms: Rooms, database: Database) -> None:
        self._rooms = rooms
        self._database = database

    async def answer(self, asker: Asker, bundle: Json, *, whole: bool) -> Answered:
        """Return the answer to *bundle*.

        Args:
            asker: who asks.
            bundle: as it came.
            whole: what was made or changed comes back with the answer.

        Raises:
            PlatformError: the Bundle itself is none, or an entry of a transaction failed; the
                expression says which. Then nothing was done.
        """
        kind = bundle_type(bundle)
        raw = bundle.get("entry", [])
        if kind == "batch":
            done = [await self._one(asker, each, at, whole=whole) for at, each in enumerate(raw)]
        else:
            entries = [read_entry(each, at, asker.origin) for at, each in enumerate(raw)]
            done = await self._together(asker, entries, whole=whole)
        shown = [found for each in done for found in each.shown]
        answer: Json = {"resourceType": "Bundle", "type": f"{kind}-response"}
        if done:
            answer["entry"] = [each.response for each in done]
        return Answered(answer, shown)

    async def _one(self, asker: Asker, raw: Any, number: int, *, whole: bool) -> Done:
        try:
            entry = read_entry(raw, number, asker.origin)
            run = self._database.read if entry.method == "GET" else self._database.write
            return await run(
                lambda conn: at_entry(entry, lambda: self._do(conn, asker, entry, {}, whole=whole))
            )
        except PlatformError as error:
            outcome = msgspec.to_builtins(outcome_of(error))
            return Done({"response": {"status": _line(status_of(error)), "outcome": outcome}})

    async def _together(self, asker: Asker, entries: Sequence[Entry], *, whole: bool) -> list[Done]:
        ordered = in_order(entries)

        def transaction(conn: sa.Connection) -> list[Done]:
            made = {
                each.full_url: f"{each.type}/{each.key}"
                for each in entries
                if each.method == "PUT" and each.full_url
            }
            done: dict[int, Done] = {}
            for each in ordered:
                found = at_entry(
                    each,
                    lambda each=each: self._do(conn, asker, each, made, whole=whole),  # type: ignore[misc]
                )
                done[each.number] = found
                if each.full_url and found.address:
                    made[each.full_url] = found.address
            return [done[each.number] for each in entries]

        if all(each.method == "GET" for each in entries):
            return await self._database.read(transaction)
        return await self._database.write(transaction)

    def _do(
        self,
        conn: sa.Connection,
        asker: Asker,
        entry: Entry,
        made: dict[str, str],
        *,
        whole: bool,
    ) -> Done:
        if entry.method == "GET":
            return self._get(conn, asker, entry)

        def find(kind: str, condition: tuple[Pair, ...]) -> str | None:
            there = self._rooms.match(conn, asker, kind, condition)
            return None if there is None else f"{kind}/{there.id}"

        resource = resolved(entry, made, find)
        if entry.method == "POST":
            result = self._rooms.create(conn, asker, entry.type, resource, entry.condition)
            status = HTTPStatus.CREATED if result.created else HTTPStatus.OK
            return self._changed(asker, result.found, status, whole=whole)
        version = read_if_match(entry.if_match)
        address = (entry.type, entry.key)
        found = self._rooms.update(conn, asker, address, version, resource)
        return self._changed(asker, found, HTTPStatus.OK, whole=whole)

    def _changed(self, asker: Asker, found: Found, status: int, *, whole: bool) -> Done:
        resource = to_json(found)
        kind = resource["resourceType"]
        entry = {"response": _told(found, status) | {"location": self._location(found, kind)}}
        if not whole:
            return Done(entry, (), f"{kind}/{found.id}")
        full = {"fullUrl": self._rooms.address(asker, found), "resource": resource}
        return Done(full | entry, (found,), f"{kind}/{found.id}")

    def _location(self, found: Found, kind: str) -> str:
        versions = Interaction.VREAD in self._rooms.definition(kind).roles
        return f"{kind}/{found.id}" + (f"/_history/{found.version}" if versions else "")

    def _get(self, conn: sa.Connection, asker: Asker, entry: Entry) -> Done:
        if not entry.key:
            return self._search(conn, asker, entry)
        if entry.version:
            found = self._rooms.vread(conn, asker, entry.type, entry.key, entry.version)
        else:
            found = self._rooms.read(conn, asker, entry.type, entry.key)
        if entry.if_none_match in {etag(found.version), f'"{found.version}"'}:
            return Done({"response": _told(found, HTTPStatus.NOT_MODIFIED)})
        response = {
            "fullUrl": self._rooms.address(asker, found),
            "resource": to_json(found),
            "response": _told(found, HTTPStatus.OK),
        }
        return Done(response, (found,))

    def _search(self, conn: sa.Connection, asker: Asker, entry: Entry) -> Done:
        definition = self._rooms.definition(entry.type)
        asked = parse_search(definition, entry.query, asker.at, strict=False)
        found = self._rooms.search(conn, asker, entry.type, asked)
        base = f"{asker.origin}{ROOT}/{entry.type}"
        links = [("self", base)]
        if found.after is not None:
            links.append(("next", f"{base}?_cursor={write_cursor(found.after, asked.used)}"))
        matches, included = (
            [(self._rooms.address(asker, each), self._rooms.shown(each, asked)) for each in some]
            for some in (found.matches, found.included)
        )
        bundle = searchset(links, found.total, matches, included, None)
        response = {"resource": bundle, "response": {"status": _line(HTTPStatus.OK)}}
        return Done(response, (*found.matches, *found.included))


def _told(found: Found, status: int) -> dict[str, str]:
    told = {"status": _line(status), "etag": etag(found.version)}
    if found.last_updated is not None:
        told["lastModified"] = found.last_updated.isoformat()
    return told


def _line(status: int) -> str:
    return f"{int(status)} {HTTPStatus(status).phrase}"
