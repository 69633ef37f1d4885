"""What was measured on the line, as rows, curves and verdicts of a report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.line.arrivals import Arrivals
from bench.measures import Spread, Verdict
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

    def figures(self) -> dict[str, list[float]]:
        """Return the figures of its row."""
        ended = self.arrivals.ended_s
        return {
            **({} if ended is None else {_TIME: [ended]}),
            _SHARE: [100 * self.arrivals.share],
            _ON_LINE: [self.sent_bytes / self.needed_bytes],
            _RESENT: [self.resent_bytes / max(1, self.cuts) / _MIB],
        }


def tell(report: Report, case: str, measured: Mapping[str, Measured], *, given_up_s: float) -> None:
    """Put a case into *report*.

    Args:
        report: grows by a row and a curve for each sender, and by the verdicts.
        case: what was sent.
        measured: by sender; ours among them.
        given_up_s: stands for the time of a peer that had not ended by then.
    """
    for name, each in measured.items():
        report.add(case, name, each.figures())
        report.curves.setdefault(case, {})[name] = each.arrivals.points
    ours = measured[OURS]
    if ours.arrivals.ended_s is None:
        report.verdicts.append(Verdict(f"{case}: all arrived", Spread.of([0.0]), at_least=1.0))
        return
    for name, bar in _BARS.items():
        theirs = measured[name].arrivals.ended_s
        ratio = Spread.of([(theirs or given_up_s) / ours.arrivals.ended_s])
        said = "" if theirs else ", which had not ended: at least"
        report.verdicts.append(
            Verdict(f"{case}: times faster than {name}{said}", ratio, at_least=bar)
        )
    on_line = Spread.of([ours.sent_bytes / ours.needed_bytes])
    report.verdicts.append(
        Verdict(f"{case}: bytes on the line / compressed", on_line, at_most=1.03)
    )
    worst = Spread.of([(ours.worst_bytes or 0) / _MIB])
    report.verdicts.append(
        Verdict(f"{case}: MiB sent again after a cut, the worst", worst, at_most=1.0)
    )
