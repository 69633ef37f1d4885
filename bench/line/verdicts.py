"""What was measured on the line, as rows, curves and verdicts of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.line.arrivals import Arrivals
from bench.measures import Spread, Verdict, ratios
from bench.report import Report

OURS: Final = "yilian"
RAW: Final = "orthanc, raw"
PACKED: Final = "orthanc, JPEG-LS"
_BARS: Final = {RAW: 3.5, PACKED: 1.3}
_MIB: Final = 1 << 20
_TIME: Final = "s until all arrived"
_SHARE: Final = "% arrived in the end"
_ON_LINE: Final = "on the line / compressed"
_RESENT: Final = "MiB sent again per cut"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one sender did in one case."""

    arrivals: Arrivals
    sent_bytes: int
    """On the line upwards, all that went along and all that was lost."""
    needed_bytes: int
    """The objects once, in the form in which they were sent."""
    resent_bytes: int
    cuts: int
    worst_bytes: int | None
    """The most that was sent again after one cut, where it is known."""
    given_up_s: float
    """Stands for the time of a peer that had not ended by then."""

    @property
    def on_line(self) -> float:
        """Bytes on the line for each byte that had to go over it."""
        return self.sent_bytes / self.needed_bytes

    @property
    def at_least_s(self) -> float:
        """The time it took; of one that had not ended, the time it was given."""
        ended = self.arrivals.ended_s
        return self.given_up_s if ended is None else ended


def _figures(rounds: Sequence[Measured]) -> dict[str, list[float]]:
    times = [each.arrivals.ended_s for each in rounds]
    ended = [each for each in times if each is not None]
    return {
        # A median of the rounds that ended alone would flatter who ended seldom.
        **({_TIME: ended} if len(ended) == len(times) else {}),
        _SHARE: [100 * each.arrivals.share for each in rounds],
        _ON_LINE: [each.on_line for each in rounds],
        _RESENT: [each.resent_bytes / max(1, each.cuts) / _MIB for each in rounds],
    }


def tell(report: Report, case: str, rounds: Sequence[Mapping[str, Measured]]) -> None:
    """Put a case into *report*.

    Args:
        report: grows by a row and a curve for each sender, and by the verdicts.
        case: what was sent.
        rounds: each by sender, ours among them; the first one's curves are drawn.
    """
    senders = {name: [each[name] for each in rounds] for name in rounds[0]}
    for name, measured in senders.items():
        report.add(case, name, _figures(measured))
        report.curves.setdefault(case, {})[name] = measured[0].arrivals.points
    ours = senders[OURS]
    if any(each.arrivals.ended_s is None for each in ours):
        report.verdicts.append(Verdict(f"{case}: all arrived", Spread.of([0.0]), at_least=1.0))
        return
    for name, bar in _BARS.items():
        theirs = senders[name]
        ended = all(each.arrivals.ended_s is not None for each in theirs)
        ratio = ratios([each.at_least_s for each in theirs], [each.at_least_s for each in ours])
        said = "" if ended else ", which had not ended: at least"
        report.verdicts.append(
            Verdict(f"{case}: times faster than {name}{said}", ratio, at_least=bar)
        )
    on_line = Spread.of([each.on_line for each in ours])
    report.verdicts.append(
        Verdict(f"{case}: bytes on the line / compressed", on_line, at_most=1.03)
    )
    worst = Spread.of([max((each.worst_bytes or 0) for each in ours) / _MIB])
    report.verdicts.append(
        Verdict(f"{case}: MiB sent again after a cut, the worst", worst, at_most=1.0)
    )
