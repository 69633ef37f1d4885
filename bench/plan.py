"""How much is measured: the short form for every day, the long form for a claim."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of one run."""

    form: str
    folder: Path
    """On the disk that is measured; fresh, removed at the end."""
    memory: Path
    """Where senders read from, a file system in memory where there is one."""
    results: Path
    rounds: int
    large_objects: int
    small_objects: int
    filled_instances: int
    qido_studies: int
    qido_peer_studies: int
    qido_asked: int
    frames_asked: int
    line_rounds: int
    """Each takes minutes: what goes over a slow line cannot be hurried."""
    line_slices: int
    line_radiographs: int
    line_within_s: float
    """Longest time for ours."""
    line_given_up_times: float
    """Peers are given up on after so many times our time."""
    line_backlog_bytes: int
    """In the township's queue, as it keeps them, before the first emergency."""
    line_emergencies: int


def short(folder: Path, memory: Path, results: Path) -> Plan:
    """Return the form that ends within ten minutes."""
    return Plan(
        form="short",
        folder=folder,
        memory=memory,
        results=results,
        rounds=3,
        large_objects=120,
        small_objects=400,
        filled_instances=5_000,
        qido_studies=10_000,
        qido_peer_studies=1_000,
        qido_asked=60,
        frames_asked=120,
        line_rounds=1,
        line_slices=48,
        line_radiographs=0,
        line_within_s=110.0,
        line_given_up_times=4.0,
        line_backlog_bytes=20_000_000,
        line_emergencies=2,
    )


def long(folder: Path, memory: Path, results: Path) -> Plan:
    """Return the form that takes an hour or more."""
    return Plan(
        form="long",
        folder=folder,
        memory=memory,
        results=results,
        rounds=7,
        large_objects=300,
        small_objects=1_000,
        filled_instances=200_000,
        qido_studies=10_000,
        qido_peer_studies=10_000,
        qido_asked=300,
        frames_asked=300,
        line_rounds=3,
        line_slices=300,
        line_radiographs=3,
        line_within_s=1_500.0,
        line_given_up_times=4.0,
        line_backlog_bytes=1_000_000_000,
        line_emergencies=5,
    )
