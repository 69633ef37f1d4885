"""The county's doors for nodes: enrol, sign in, post letters, read the feed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.exchange.enrolment import Enrolment
from gateway.exchange.feed import read_feed
from gateway.exchange.feed_news import FeedNews
from gateway.exchange.heartbeat import Post
from gateway.exchange.inbox import take_post
from gateway.exchange.model import (
    MEDIA_TYPE,
    POST_MAX_BYTES,
    Challenge,
    Enrolled,
    FeedPage,
    PostAnswer,
    Session,
    Source,
    Versions,
)
from gateway.exchange.node_status import Heard, hear
from gateway.exchange.nodes import Node, find_node
from gateway.exchange.ports import Handlers, TellsAgain
from gateway.exchange.retelling import is_due, tell_again
from gateway.exchange.versions import SINCE, VERSIONS, agree, carries
from gateway.exchange.wire import pack, unpack
from kernel.clock import Clock
from kernel.errors import Forbidden, Unsupported
from kernel.sql.db import Database
from kernel.web import PRINCIPAL, describe, json_response, permit, read_body, read_json, read_query

WAIT_MAX_S: Final = 25.0
_SMALL_BYTES: Final = 4096


class EnrolBody(msgspec.Struct, frozen=True, kw_only=True):
    """A code and the key it shall bind."""

    code: str
    public_key: str
    """Ed25519, 64 hex digits."""
    institution: str = ""
    """For which house the box was set up; empty where it takes what the code says."""


class ChallengeBody(msgspec.Struct, frozen=True, kw_only=True):
    """Which node asks."""

    node: str


class SessionBody(msgspec.Struct, frozen=True, kw_only=True):
    """A nonce, signed."""

    node: str
    nonce: str
    signature: str
    """Ed25519 over the nonce (docs/reference/exchange.md), hex."""


class FeedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go on, and how long to wait for something."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    wait: float = 0.0
    oldest: int = 1
    newest: int = 1


class NoNode(Forbidden):
    """This door is for enrolled nodes."""

    code = "not-a-node"


@dataclass(frozen=True, slots=True)
class NodeDoor:
    """What nodes come through."""

    database: Database
    clock: Clock
    enrolment: Enrolment
    handlers: Handlers
    news: FeedNews
    centre: str
    """Code of the county's own institution, which may know how its nodes are."""
    versions: Versions = VERSIONS
    since: Mapping[str, int] | None = None
    tells: TellsAgain | None = None
    """Knows what to tell a node that begins anew."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        root = "/api/v1/nodes"
        return [
            web.post(f"{root}/enrol", self._enrol),
            web.post(f"{root}/challenge", self._challenge),
            web.post(f"{root}/session", self._session),
            web.post(f"{root}/letters", self._letters),
            web.get(f"{root}/feed", self._feed, allow_head=False),
        ]

    @describe("Become a node by a one-time code", body=EnrolBody, answer=Enrolled)
    @permit(public=True, body_bytes=_SMALL_BYTES)
    async def _enrol(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, EnrolBody, limit=_SMALL_BYTES)
        told = await self.enrolment.enrol(body.code, body.public_key, institution=body.institution)
        return json_response(told, status=201)

    @describe("A nonce for a node to sign", body=ChallengeBody, answer=Challenge)
    @permit(public=True, body_bytes=_SMALL_BYTES)
    async def _challenge(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, ChallengeBody, limit=_SMALL_BYTES)
        return json_response(self.enrolment.challenge(body.node))

    @describe("Open a session with a signed nonce", body=SessionBody, answer=Session)
    @permit(public=True, body_bytes=_SMALL_BYTES)
    async def _session(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, SessionBody, limit=_SMALL_BYTES)
        opened = await self.enrolment.open_session(body.node, body.nonce, body.signature)
        return json_response(opened, status=201)

    @describe("Letters up, and how the node is (Zstandard)", answer=PostAnswer)
    @permit(body_bytes=2 * POST_MAX_BYTES)
    async def _letters(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != MEDIA_TYPE:
            raise Unsupported(f"send {MEDIA_TYPE}")
        raw = await read_body(request, limit=2 * POST_MAX_BYTES)
        post = await asyncio.to_thread(unpack, raw, Post)
        agreed = agree(self.versions, post.versions)
        node = await self._node(request)
        source = Source(node.id, node.institution, self.clock.now())
        heard = Heard(node, post.heartbeat, agreed, self.centre, source.at)

        def take(conn: sa.Connection) -> PostAnswer:
            answer = take_post(conn, post, self.handlers, source, protocol=agreed)
            # Last: it may publish events, which hold a lock from there to the commit.
            hear(conn, heard)
            return answer

        return _packed(await self.database.write(take))

    @describe("Letters down; waits for some at most 25 s (Zstandard)", query=FeedQuery)
    @permit()
    async def _feed(self, request: web.Request) -> web.StreamResponse:
        asked = read_query(request, FeedQuery)
        agreed = agree(self.versions, Versions(oldest=asked.oldest, newest=asked.newest))
        node = await self._node(request)
        since = SINCE if self.since is None else self.since
        read = partial(
            read_feed,
            institution=node.institution,
            node=node.id,
            after=asked.after,
            protocol=agreed,
            held=[kind for kind in since if not carries(kind, agreed, since)],
        )
        await self._tell_again(node, asked.after)
        wait_s = min(max(asked.wait, 0.0), WAIT_MAX_S)
        return _packed(await self._page(read, wait_s))

    async def _tell_again(self, node: Node, after: int) -> None:
        if self.tells is None:
            return
        if await self.database.read(partial(is_due, node=node.id, after=after)):
            at = self.clock.now()
            await self.database.write(
                partial(tell_again, node=node, after=after, tells=self.tells, at=at)
            )

    async def _page(self, read: "partial[FeedPage]", wait_s: float) -> FeedPage:
        ends_s = self.clock.monotonic_s() + wait_s
        while True:
            seen = self.news.newest
            page = await self.database.read(read)
            left_s = ends_s - self.clock.monotonic_s()
            if page.letters or page.reset or left_s <= 0:
                return page
            if not await self.news.wait(seen, left_s):
                return page

    async def _node(self, request: web.Request) -> Node:
        """Return the node that asks; a machine with a token of another kind is none."""
        user_id = request[PRINCIPAL].user_id
        node = await self.database.look_up(lambda conn: find_node(conn, user_id))
        if node is None or node.revoked_at is not None:
            raise NoNode("this door is for enrolled nodes")
        return node


def _packed(message: object) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=pack(message), content_type=MEDIA_TYPE, headers=headers)
