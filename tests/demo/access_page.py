"""docs/reference/access.md as rows, and a node's door to hold against them."""

import http.client
import json
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any, Final

from tests.demo.running import ROOT, RunningDemo

PAGE: Final = (ROOT / "docs/reference/access.md").read_text("utf-8")
NOWHERE: Final = "2.25.99889999"
NODES: Final = {"county": "", "township": "qingshan"}
UNLISTED: Final = {("GET", "/api/openapi.json"), ("GET", "/{path}")}
"""What the document of routes is made without: itself, and the files of the pages."""


@dataclass(frozen=True)
class Row:
    """A line of the page's table of routes."""

    nodes: tuple[str, ...]
    method: str
    path: str
    who: str
    whom: str

    @property
    def key(self) -> tuple[str, str]:
        return self.method, self.path

    @property
    def public(self) -> bool:
        return self.who == "public"

    @property
    def people(self) -> bool:
        return self.who.endswith("(people)")

    @property
    def roles(self) -> list[str] | None:
        """The roles the route lets in; None for whoever is signed in."""
        act = self.who.removesuffix("(people)").strip()
        if self.public or act.startswith("signed in"):
            return None
        return sorted(ACTS.get(act, [act]))


def table(heading: str) -> list[list[str]]:
    part = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def nodes(cell: str) -> tuple[str, ...]:
    return tuple(NODES) if cell == "both" else (cell,)


ACTS: Final = {act: roles.split(", ") for act, roles in table("Acts")}
ROWS: Final = [
    Row(nodes(node), method, path, who, whom) for node, method, path, who, whom in table("Routes")
]


def rows_of(node: str) -> list[Row]:
    return [row for row in ROWS if node in row.nodes]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    @property
    def missing(self) -> bool:
        """Nothing is there: no other 404, such as for a frame, says that."""
        return self.status == 404 and b"-not-found" in self.body and b"conflict-" not in self.body


class Node:
    """A node's door, asked over one connection."""

    def __init__(self, demo: RunningDemo, institution: str) -> None:
        place = urllib.parse.urlsplit(demo.http(institution))
        self._line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        self._tokens = {one["username"]: one["token"] for one in demo.ready["accounts"]}
        self.people = {one["username"]: one for one in demo.ready["accounts"]}

    def ask(self, method: str, path: str, who: str = "", body: Any = None, **more: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        if who:
            headers["Authorization"] = f"Bearer {self._tokens[who]}"
        sent = body
        if body is not None and not isinstance(body, bytes):
            sent = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        self._line.request(method, path, body=sent, headers=headers)
        answer = self._line.getresponse()
        return Answer(answer.status, answer.read())

    def close(self) -> None:
        self._line.close()


def filled(path: str, **names: str) -> str:
    known = {"frames": "1", "path": "7FE00010", "study": NOWHERE} | names
    return re.sub(r"{(\w+)}", lambda found: known.get(found[1], "1.2.3"), path)
