"""R01 and R04: death, or refusal, at the system calls that make things durable, on both sides.

A node runs under strace, which kills it at the n-th call of a kind, or lets that call fail. What
it was doing is read from the trace. Then the node starts again as it stands, and everything that
was acknowledged has to end up at the county, once. Counts are by thread, as strace has them: the
n-th call of the first thread that gets so far is struck. How many there are is counted in a run
that is left alone. One sender only: eight would make another run of every strike.
"""

import asyncio
import re
import shutil
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench.line.model import QUICK_LINE
from bench.line.proxy import open_line
from tests.torture import processes
from tests.torture.as_seen import as_seen
from tests.torture.figures import Control, Figures, Size, compared
from tests.torture.hops import Image, image_of
from tests.torture.nursery import Nursery, kill, nursery
from tests.torture.processes import port_of, the_victims_key
from tests.torture.victim import KEY, raw_image
from tests.township.node import door_to, node_in, settings_for
from tests.uploads import county_door as doors

CALLS: Final = (
    *("write", "pwrite64", "pwritev2", "fsync", "fdatasync", "ftruncate", "fallocate"),
    *("rename", "link", "unlink"),
)
REFUSABLE: Final = ("write", "pwrite64", "pwritev2", "fsync", "fdatasync", "rename", "link")
_FEW: Final = {"pwritev2": 2, "fsync": 3, "rename": 1, "link": 1}
_FEW_REFUSABLE: Final = {"pwritev2": 2, "rename": 1}
"""Which calls a normal run strikes, and the how-many-eth of them."""
_KILL: Final = "signal=KILL"
_EIO: Final = "error=EIO"
_ENOSPC: Final = "error=ENOSPC"
_MOST: Final = 400
MOST_MINUTES = 60.0
"""Of one sweep; the command line may give it less."""
_IMAGES: Final = 3
_WITHIN_S: Final = 30.0
_HANGS_S: Final = 20.0
_STUCK_S: Final = 8.0
"""After this a county that was refused something is started anew."""
_TRACE: Final = "trace"
_BEGUN: Final = re.compile(r"^(\d+) +(\w+)\(", re.MULTILINE)
_CALL: Final = re.compile(r"^\d+ +(\w+)\((?:\d+<([^>]*)>|[^\"]*\"([^\"]*)\")", re.MULTILINE)
_NAMES: Final = ((re.compile(r"[0-9a-f]{16,}"), "*"), (re.compile(r"[0-9a-z]{26}"), "*"))

_Struck = Awaitable[tuple[str, Figures]]


@dataclass(frozen=True, slots=True)
class Strike:
    """One injection: what happens at which call."""

    call: str
    when: int
    """0 strikes nothing."""
    action: str = _KILL
    onwards: bool = False
    """That call and all that follow."""

    def tracer(self, log: Path) -> list[str]:
        """Return the command that does it to a program."""
        watching = ["strace", "-f", "-y", "-o", str(log), "-e", f"trace={self.call}"]
        when = f"{self.when}+" if self.onwards else f"{self.when}"
        inject = f"inject={self.call}:{self.action}:when={when}"
        return [*watching, "-e", inject] if self.when else watching


@dataclass(frozen=True, slots=True)
class Calls:
    """The system calls of a run that is left alone."""

    counted: Mapping[str, Mapping[int, int]]
    """By call and thread."""

    def in_all(self) -> int:
        """Return how many there were."""
        return sum(sum(by_thread.values()) for by_thread in self.counted.values())

    def to_strike(self, call: str) -> int:
        """Return how often one thread calls *call*, at most."""
        return max(self.counted.get(call, {}).values(), default=0)


@dataclass
class Sum:
    """What a whole sweep found."""

    runs: int = 0
    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    places: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)

    def add(self, figures: Figures, place: str) -> None:
        """Count one run in."""
        self.runs += 1
        self.acknowledged += figures.acknowledged
        self.lost += figures.lost
        self.duplicated += figures.duplicated
        self.places.add(place)
        self.broken += figures.broken

    def figures(self, *, asked: int, calls: Calls, unfinished: Sequence[str] = ()) -> Figures:
        """Return the sums; *unfinished* are the kinds of calls of which there are more."""
        notes = [f"{len(self.places)} different calls on different files"]
        if asked:
            notes.append(
                f"each struck in a run of its own, as the n-th of its kind in a thread; a run left "
                f"alone has {asked} of these, {calls.in_all()} calls in all its threads"
            )
        if unfinished:
            told = ", ".join(each.partition("=")[2] for each in unfinished)
            notes.append(f"ended for time with more of {told} to come")
        return Figures(
            self.runs,
            self.acknowledged,
            self.lost,
            self.duplicated,
            notes=tuple(notes),
            broken=tuple(self.broken),
        )


def missing() -> str:
    """Return why nothing can be injected here, or an empty text."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    return ""


def strikes(size: Size, *, refuse: bool = False) -> Iterator[Sequence[Strike]]:
    """Yield rows of strikes; a row ends early once its call no longer happens so often."""
    if size is Size.SHORT:
        calls = _FEW_REFUSABLE if refuse else _FEW
        action = _EIO if refuse else _KILL
        yield from ([Strike(call, when, action)] for call, when in calls.items())
        return
    for action in (_EIO, _ENOSPC) if refuse else (_KILL,):
        for call in REFUSABLE if refuse else CALLS:
            yield [Strike(call, when, action) for when in range(1, _MOST)]


def expected() -> list[Image]:
    """Return what is sent."""
    return [image_of(raw_image(number)) for number in range(1, _IMAGES + 1)]


async def township(folder: Path, size: Size, *, refuse: bool = False) -> Figures:
    """Strike a node that takes images in and forwards them."""
    rows = list(strikes(size, refuse=refuse))
    return await _swept(folder, rows, _strike_township, counted=size is Size.LONG)


async def _swept(
    folder: Path,
    rows: Sequence[Sequence[Strike]],
    strike_one: Callable[[Nursery, Path, Strike], _Struck],
    *,
    counted: bool,
) -> Figures:
    """Strike the first call of every kind, the second of every kind, and so on, within the time."""
    found = Sum()
    began = time.monotonic()
    going = {f"{row[0].action} {row[0].call}": deque(row) for row in rows}
    calls = Calls({})
    async with nursery() as victims:
        if counted:
            names = dict.fromkeys(row[0].call for row in rows)
            alone = Strike(",".join(names), 0)
            await strike_one(victims, folder / "alone", alone)
            log = folder / "alone" / _TRACE
            calls = calls_in(await asyncio.to_thread(log.read_text, "utf-8", "replace"))
        while going and time.monotonic() - began < MOST_MINUTES * 60:
            for name, left in list(going.items()):
                strike = left.popleft()
                home = folder / f"{strike.action}-{strike.call}-{strike.when}"
                place, figures = await strike_one(victims, home, strike)
                if place:
                    found.add(figures, f"{strike.action} {place}")
                await asyncio.to_thread(shutil.rmtree, home)
                if not place or not left:
                    del going[name]
    asked = sum(calls.to_strike(row[0].call) for row in rows)
    return found.figures(asked=asked, calls=calls, unfinished=tuple(going))


def calls_in(trace: str) -> Calls:
    """Count what *trace*, strace's own, has."""
    counted: dict[str, Counter[int]] = {}
    for thread, call in _BEGUN.findall(trace):
        counted.setdefault(call, Counter())[int(thread)] += 1
    return Calls(counted)


async def township_that_says_so_first(folder: Path) -> Figures:
    """Strike a node that acknowledges before it has written anything."""
    async with nursery() as victims:
        strike = Strike("pwritev2", 2)
        _, figures = await _strike_township(victims, folder, strike, "ack-first")
    return figures


async def _strike_township(
    victims: Nursery, home: Path, strike: Strike, *how: str
) -> tuple[str, Figures]:
    """Return the place of death (empty where it survived), and what was lost or doubled."""
    node, log = home / "township", home / _TRACE
    node.mkdir(parents=True)
    with the_victims_key():
        async with doors.county_door(home / "county") as county:
            run = processes.township(node, county.port, 1, _IMAGES, *how)
            async with victims.started(run, tracer=strike.tracer(log)) as process:
                heard = await processes.heard(process, within_s=_HANGS_S)
            acknowledged = max(heard.get("acked", [0]))
            place = _place(log, strike, node)
            # The control is over once all is there but what it lost; waiting on would show no more.
            lost = ("one-lost",) if how else ()
            async with victims.started(
                processes.township(node, county.port, acknowledged + 1, _IMAGES, *lost)
            ) as process:
                heard = await processes.heard(process, within_s=_HANGS_S if how else _WITHIN_S)
            # The second run goes on where the first ended and acknowledges the rest.
            told = {each.uid: each.content for each in expected()}
            broken = [] if "delivered" in heard else [f"not delivered after {place or strike.call}"]
            return place, await _counted(home, told, broken)


async def county(folder: Path, size: Size, *, refuse: bool = False) -> Figures:
    """Strike a county that takes parcels."""
    rows = list(strikes(size, refuse=refuse))
    return await _swept(folder, rows, _strike_county, counted=size is Size.LONG)


async def county_that_signs_first(folder: Path, strike: Strike) -> Figures:
    """Strike a county that signs for a parcel before it has committed it."""
    async with nursery() as victims:
        _, figures = await _strike_county(victims, folder, strike, "sign-first")
    return figures


async def _strike_county(
    victims: Nursery, home: Path, strike: Strike, *how: str
) -> tuple[str, Figures]:
    there, log = home / "county", home / _TRACE
    there.mkdir(parents=True)
    images = await asyncio.to_thread(expected)
    settings = settings_for(county_key=KEY.public_key())
    serve = processes.county(there, *how)
    async with open_line(0, QUICK_LINE) as line, AsyncExitStack() as held:
        door = door_to(line.port)
        node = await held.enter_async_context(node_in(home / "township", door, settings=settings))
        async with victims.started(serve, tracer=strike.tracer(log)) as process:
            line.target_port = await port_of(process)
            await node.store([raw_image(number) for number in range(1, _IMAGES + 1)])
            delivered = asyncio.ensure_future(node.until(at_county=_IMAGES, timeout_s=_STUCK_S))
            died = asyncio.ensure_future(process.wait())
            await asyncio.wait((delivered, died), return_when=asyncio.FIRST_COMPLETED)
            for task in (delivered, died):
                task.cancel()
            await asyncio.gather(delivered, died, return_exceptions=True)
        place = _place(log, strike, there)
        async with victims.started(processes.county(there)) as again:
            line.target_port = await port_of(again)
            broken: list[str] = []
            try:
                await node.until(at_county=_IMAGES, timeout_s=_WITHIN_S)
            except AssertionError as exc:
                broken.append(f"after {place or strike.call}: {exc}")
            kill(again)
    told = {each.uid: each.content for each in images}
    return place, await _counted(home, told, broken)


async def _counted(home: Path, told: dict[str, str], broken: list[str]) -> Figures:
    seen = await as_seen(home / "county" / "journal", home / "seen")
    if seen.orphans:
        broken = [*broken, f"{seen.orphans} object files without a row"]
    return replace(compared(told, seen.instances, runs=1), broken=tuple(broken))


async def controls(folder: Path) -> Sequence[Control]:
    """Return strikes at both sides without what the sweeps prove."""
    # The first write of a journal may be of its own, and one of the others is of what was signed
    # for. A kill would have to fall between a receipt and that write: sudden_ends has it.
    refused = Strike("pwritev2", 2, _EIO, onwards=True)
    return [
        Control(
            "the node answers before it has written",
            await township_that_says_so_first(folder / "township"),
        ),
        Control(
            "the county signs before it commits",
            await county_that_signs_first(folder / "refused", refused),
        ),
    ]


def _place(log: Path, strike: Strike, home: Path) -> str:
    """Return call and file of the injected call, numbers taken out; empty where it never came."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    killed = strike.action.startswith("signal")
    lines = text.splitlines()
    if killed:
        lines = [line for line in lines if line.endswith(("= ?", "<unfinished ...>"))]
    else:
        lines = [line for line in lines if "(INJECTED)" in line]
    calls = [found for line in lines if (found := _CALL.match(line))]
    if not calls:
        return ""
    call, by_fd, by_name = calls[-1].groups()
    name = (by_fd or by_name or "").replace(f"{home}/", "")
    for pattern, instead in _NAMES:
        name = pattern.sub(instead, name)
    return f"{call} {name}"
