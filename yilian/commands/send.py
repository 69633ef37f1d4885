"""``yilian send``: a folder of DICOM files to a node."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.dimse.outgoing import Peer
from kernel.dicom.status import COMMENTS
from kernel.errors import Invalid
from kernel.identifiers import AETitle
from yilian.sending.ledger import Ledger
from yilian.sending.run import StoreRun, Summary
from yilian.sending.stow import StowRun
from yilian.sending.survey import Found, Skipped, files_below, survey
from yilian.sending.web_door import dicomweb_root, trust

_EXAMPLE = """examples:
  yilian send D:/cd-rom --to 127.0.0.1:11113 --called YILIAN-TWP
  YILIAN_TOKEN=... yilian send ./study --to http://127.0.0.1:8080
  yilian send ./study --to https://yilian.example --token-file t.txt --ca-file authority.pem

exit code: 0 all there, 1 something was refused or not sent, 2 wrong use
"""


_NO_IMAGE: Final = frozenset({"not-dicom", "media-directory"})
"""What is left out quietly; anything else that cannot be sent is named."""
_NAMED_MAX: Final = 20


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "send",
        help="send a folder of DICOM files to a node, with a progress bar",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("folder", nargs="+", type=Path, help="files or folders, searched below")
    verb.add_argument("--to", required=True, metavar="HOST:PORT|URL", help="a URL: of the node")
    verb.add_argument("--called", default="YILIAN-TWP", help="called AE title (HOST:PORT only)")
    verb.add_argument("--calling", default="YILIAN-SEND", help="our AE title (HOST:PORT only)")
    verb.add_argument("--parallel", type=_at_least_one, default=4, help="associations or requests")
    verb.add_argument("--token-file", type=Path, help="bearer token (URL only; or YILIAN_TOKEN)")
    verb.add_argument(
        "--ca-file", type=Path, help="PEM of the authority that signed its certificate (URL only)"
    )
    verb.add_argument("--again", action="store_true", help="send even what is already there")
    verb.add_argument("--json", action="store_true", help="print the summary as JSON")
    verb.set_defaults(run=run)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Send and return 0 when everything found is at the destination."""
    console = Console(stderr=True)
    _quiet_libraries()
    before = Summary()
    ledger = Ledger(afresh=arguments.again)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        # Whatever is wrong with the destination is said before a long look through the folder.
        sending = bar.add_task("sending", total=None, visible=False)
        sender = _sender(arguments, ledger, lambda _f, _o: bar.advance(sending))
        found = _survey_all(arguments.folder, before, bar)
        bar.update(sending, total=len(found), visible=True)
        try:
            with _stop_on_signal() as stop:
                done = sender.run(found, stop=stop)
        finally:
            ledger.close()
    done.skipped = before.skipped
    done.found += len(before.refused)
    done.refused = [*before.refused, *done.refused]
    _report(done, as_json=arguments.json)
    return 0 if done.complete else 1


def _quiet_libraries() -> None:
    # What they say of a refused connection, this program says once and in words.
    for name in ("pynetdicom", "pydicom", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    # Of a value that is odd and valid; whether the file is taken, the destination says.
    warnings.filterwarnings("ignore", module="pydicom")


def _survey_all(places: Sequence[Path], summary: Summary, bar: Progress) -> list[Found]:
    for place in places:
        if not place.exists():
            raise Invalid(f"{place} does not exist", code="no-such-folder")
    # One named twice, or inside another, is one.
    files = list({path.resolve(): path for path in files_below(places)}.values())
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
        root, tls = dicomweb_root(arguments.to), None
        if root.startswith("https:"):
            tls = trust(arguments.ca_file)
        elif arguments.ca_file:
            raise Invalid("--ca-file is for https:// only", code="bad-destination")
        return StowRun(
            root, _token(arguments), ledger, progress, requests=arguments.parallel, tls=tls
        )
    try:
        parts = urlsplit(f"//{arguments.to}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise Invalid(
            f"{arguments.to} is no address: --to takes HOST:PORT (a DICOM door) or a URL "
            "such as https://yilian.example",
            code="bad-destination",
        )
    called, calling = AETitle.parse(arguments.called), AETitle.parse(arguments.calling)
    peer = Peer(host, port, called, calling)
    return StoreRun(peer, ledger, progress, associations=arguments.parallel)


def _token(arguments: argparse.Namespace) -> str:
    token = os.environ.get("YILIAN_TOKEN", "")
    if arguments.token_file:
        try:
            token = arguments.token_file.read_text("ascii")
        except (OSError, ValueError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "holds no token"
            raise Invalid(f"--token-file {arguments.token_file}: {why}", code="bad-token") from exc
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Invalid("the token is one word of letters and digits", code="bad-token")
    return token


def _report(done: Summary, *, as_json: bool) -> None:
    if as_json:
        body = {
            "found": done.found,
            "sent": done.sent,
            "sent_bytes": done.sent_bytes,
            "already_there": done.already_there,
            "warned": [{"path": str(path), "reason": why} for path, why in done.warned],
            "refused": [{"path": str(path), "reason": why} for path, why in done.refused],
            "not_sent": [{"path": str(path), "reason": why} for path, why in done.not_sent],
            "skipped": dict(done.skipped),
            "complete": done.complete,
        }
        print(json.dumps(body, ensure_ascii=False))
        return
    titles = (("refused", done.refused), ("warned", done.warned), ("not sent", done.not_sent))
    for title, rows in titles:
        for line in _by_reason(title, rows):
            print(line)
    skipped = ", ".join(f"{count} {code}" for code, count in sorted(done.skipped.items()))
    print(
        f"{done.found} DICOM files: {done.sent} sent ({done.sent_bytes / 1e6:.1f} MB), "
        f"{done.already_there} already there, {len(done.refused)} refused, "
        f"{len(done.not_sent)} not sent"
        + (f"; {len(done.warned)} of those sent with a warning" if done.warned else "")
        + (f"; skipped {skipped}" if skipped else "")
    )
    if done.not_sent and done.again:
        print("Run the same command again: it goes on where it stopped.", file=sys.stderr)


def _by_reason(title: str, rows: Sequence[tuple[Path, str]]) -> Iterator[str]:
    """Yield each reason once, with the first of its files."""
    by_reason: dict[str, list[Path]] = {}
    for path, reason in rows:
        by_reason.setdefault(reason, []).append(path)
    for reason, paths in by_reason.items():
        if title == "not sent":
            yield f"  {title}, {len(paths)} files: {reason}"
            continue
        why = COMMENTS.get(reason, reason)
        for path in paths[:_NAMED_MAX]:
            yield f"  {title}: {path}: {why}"
        if len(paths) > _NAMED_MAX:
            yield f"  {title}: {len(paths) - _NAMED_MAX} more: {why}   (--json names all)"


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
