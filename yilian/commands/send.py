"""``yilian send``: a folder of DICOM files to a node."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.dimse.scu import Peer
from kernel.errors import Invalid
from kernel.identifiers import AETitle
from yilian.sending.ledger import Ledger
from yilian.sending.run import StoreRun, Summary
from yilian.sending.stow import StowRun
from yilian.sending.survey import Found, Skipped, files_below, survey

_EXAMPLE = """examples:
  yilian send D:/cd-rom --to 127.0.0.1:11113 --called YILIAN-TWP
  YILIAN_TOKEN=... yilian send ./study --to http://127.0.0.1:8080/dicom-web

exit code: 0 all there, 1 something was refused or not sent, 2 wrong use
"""


_NO_IMAGE: Final = frozenset({"not-dicom", "media-directory"})
"""What is left out quietly; anything else that cannot be sent is named."""


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "send",
        help="send a folder of DICOM files to a node, with a progress bar",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("folder", nargs="+", type=Path, help="files or folders, searched below")
    verb.add_argument("--to", required=True, metavar="HOST:PORT|URL")
    verb.add_argument("--called", default="YILIAN-TWP", help="called AE title (HOST:PORT only)")
    verb.add_argument("--calling", default="YILIAN-SEND", help="our AE title (HOST:PORT only)")
    verb.add_argument("--parallel", type=int, default=4, help="associations or requests at once")
    verb.add_argument("--token-file", type=Path, help="bearer token (URL only; or YILIAN_TOKEN)")
    verb.add_argument("--again", action="store_true", help="send even what is already there")
    verb.add_argument("--json", action="store_true", help="print the summary as JSON")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send and return 0 when everything found is at the destination."""
    console = Console(stderr=True)
    summary = Summary()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        found = _survey_all(arguments.folder, summary, bar)
        total = bar.add_task("sending", total=len(found))
        ledger = Ledger(arguments.to)
        try:
            sender = _sender(arguments, ledger, lambda _f, _o: bar.advance(total))
            if arguments.again:
                ledger.forget()
            with _stop_on_signal() as stop:
                done = sender.run(found, stop=stop)
        finally:
            ledger.close()
    done.skipped = summary.skipped
    done.refused = [*summary.refused, *done.refused]
    _report(done, as_json=arguments.json)
    return 0 if done.complete else 1


def _survey_all(places: Sequence[Path], summary: Summary, bar: Progress) -> list[Found]:
    for place in places:
        if not place.exists():
            raise Invalid(f"{place} does not exist", code="no-such-folder")
    files = list(files_below(places))
    task = bar.add_task("reading", total=len(files))
    found: list[Found] = []
    for path in files:
        what = survey(path)
        if isinstance(what, Skipped):
            if what.code in _NO_IMAGE:
                summary.skipped[what.code] += 1
            else:
                summary.refused.append((path, what.code))
        else:
            found.append(what)
        bar.advance(task)
    return found


def _sender(
    arguments: argparse.Namespace, ledger: Ledger, progress: Callable[[Found, str], None]
) -> StoreRun | StowRun:
    if "://" in arguments.to:
        token = os.environ.get("YILIAN_TOKEN", "")
        if arguments.token_file:
            token = arguments.token_file.read_text("utf-8").strip()
        return StowRun(arguments.to, token, ledger, progress, requests=arguments.parallel)
    parts = urlsplit(f"//{arguments.to}")
    if not parts.hostname or not parts.port:
        raise Invalid("--to takes HOST:PORT or a URL ending in /dicom-web", code="bad-destination")
    peer = Peer(
        parts.hostname,
        parts.port,
        AETitle.parse(arguments.called),
        AETitle.parse(arguments.calling),
    )
    return StoreRun(peer, ledger, progress, associations=max(1, arguments.parallel))


def _report(done: Summary, *, as_json: bool) -> None:
    refused = [{"path": str(path), "reason": reason} for path, reason in done.refused]
    not_sent = [{"path": str(path), "reason": reason} for path, reason in done.not_sent]
    if as_json:
        body = {
            "found": done.found,
            "sent": done.sent,
            "sent_bytes": done.sent_bytes,
            "already_there": done.already_there,
            "warned": done.warned,
            "refused": refused,
            "not_sent": not_sent,
            "skipped": dict(done.skipped),
            "complete": done.complete,
        }
        print(json.dumps(body, ensure_ascii=False))
        return
    for row in (*refused, *not_sent):
        print(f"  {row['path']}: {row['reason']}")
    skipped = ", ".join(f"{count} {code}" for code, count in sorted(done.skipped.items()))
    print(
        f"{done.found} DICOM files: {done.sent} sent ({done.sent_bytes / 1e6:.1f} MB), "
        f"{done.already_there} already there, {len(refused)} refused, {len(not_sent)} not sent"
        + (f"; skipped {skipped}" if skipped else "")
    )
    if not_sent:
        print("Run the same command again: it goes on where it stopped.", file=sys.stderr)


class _stop_on_signal:  # noqa: N801  # reads as the statement it is
    """A stop flag set by the first Ctrl-C; a second one ends at once."""

    def __enter__(self) -> threading.Event:
        self._stop = threading.Event()
        self._before = signal.signal(signal.SIGINT, self._asked)
        return self._stop

    def __exit__(self, *_exc: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _asked(self, *_args: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        self._stop.set()
