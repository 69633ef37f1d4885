"""An update restarts a node and loses nothing; one that fails leaves the old release at work."""

import fcntl
import http.client
import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.uploads.tus_headers import format_metadata
from tests.demo.acknowledged import Image, Modality, images
from tests.demo.running import until
from tests.deploy.trial import VERSION, Trial, printed
from tests.dimse.samples import encoded, small_ct

pytestmark = pytest.mark.timeout(180)

NEWER = "0.9.2"
ADDING = '''"""Keep what a later release will need."""

import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{head}"
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()


def upgrade() -> None:
    """Add."""
    op.create_table("of_a_later_release", sa.Column("id", sa.Integer, primary_key=True))
'''


class Stubborn:
    """A modality that sends what was not acknowledged again until all of it was."""

    def __init__(self, trial: Trial, to_send: list[Image]) -> None:
        self.acknowledged: set[str] = set()
        self._door = trial.dicom_door
        self._images = to_send
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Stubborn":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._over.is_set():
            left = [one for one in self._images if one.sop_instance_uid not in self.acknowledged]
            if not left:
                return
            # Few at a time, so that it is still sending when the node is restarted.
            self.acknowledged |= Modality(self._door, left[:3], timeout_s=10).send_all()
            self._over.wait(0.05)

    def everything(self) -> bool:
        return len(self.acknowledged) == len(self._images)


class Page:
    """Somebody who uploads one file, resuming where it was cut."""

    def __init__(self, trial: Trial) -> None:
        self._port = trial.http_port
        user = ("admin", "user", "add", "node", "机器", "--institution", "township")
        trial.yilian(*user, "--role", "technician", "--machine")
        self._token = printed(
            trial.yilian("admin", "token", "add", "node", "--label", "x"), "token"
        )

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        with closing(line):
            told = {"Authorization": f"Bearer {self._token}", "Tus-Resumable": "1.0.0"}
            told |= {name.replace("_", "-"): value for name, value in headers.items()}
            line.request(method, path, body, told)
            answer = line.getresponse()
            return answer.status, dict(answer.headers), answer.read()

    def begin(self, content: bytes) -> str:
        told = format_metadata({"kind": "dicom", "filename": "a.dcm", "batch": "b1"})
        status, headers, said = self.ask(
            "POST", "/uploads/", Upload_Length=str(len(content)), Upload_Metadata=told
        )
        assert status == 201, said
        return headers["Location"]

    def go_on(self, where: str, content: bytes, to: int) -> int:
        _, headers, _ = self.ask("HEAD", where)
        offset = int(headers["Upload-Offset"])
        status, headers, said = self.ask(
            "PATCH",
            where,
            content[offset:to],
            Content_Type="application/offset+octet-stream",
            Upload_Offset=str(offset),
        )
        assert status == 204, said
        assert int(headers["Upload-Offset"]) == to
        return offset

    def is_safe(self) -> bool:
        status, _, said = self.ask("GET", "/api/v1/uploads/b1")
        assert status == 200, said
        files: list[dict[str, Any]] = json.loads(said)["files"]
        return [file["state"] for file in files] == ["safe"]


def prepared(trial: Trial) -> Trial:
    trial.set("dicom", "admit_loopback = true")
    trial.yilian("township", "--prepare")
    trial.started()
    return trial


def held(trial: Trial) -> list[str]:
    """What the township's queue holds, by SOP Instance UID."""
    with closing(sqlite3.connect(trial.home / "db/yilian.sqlite")) as conn:
        return [row[0] for row in conn.execute("SELECT sop_instance_uid FROM township_instances")]


def current(trial: Trial) -> str:
    return str((trial.prefix / "current").readlink())


def with_migration(tree: Path) -> Path:
    versions = tree / "kernel/sql/migrations/versions"
    newest = max(path.name[:4] for path in versions.glob("[0-9]*.py"))
    (versions / "9001_later.py").write_text(ADDING.format(head=newest), "utf-8")
    return tree


def test_an_update_under_full_load_loses_nothing_and_breaks_no_upload(township: Trial) -> None:
    prepared(township)
    page, content = Page(township), encoded(small_ct(1, rows=1024))
    where = page.begin(content)
    page.go_on(where, content, len(content) // 2)
    with Stubborn(township, images(1500, series=1, run="upgrade", size=16)) as modality:
        until(lambda: len(modality.acknowledged) > 5, 30, "the first images")
        before = len(modality.acknowledged)
        tree = with_migration(township.copy_of_tree(township.root / "tree"))
        said = township.upgrade(NEWER, tree=tree)
        assert f"upgraded: {VERSION} -> {NEWER}" in said
        assert "9001" in said
        assert not modality.everything()
        since = len(modality.acknowledged)
        assert since > before
        until(lambda: len(modality.acknowledged) > since, 30, "images after the update")
    # The half that was there before is not sent again.
    assert page.go_on(where, content, len(content)) == len(content) // 2
    until(page.is_safe, 30, "the upload to be safe")
    assert current(township) == f"releases/{NEWER}"
    uids = [*modality.acknowledged, str(small_ct(1).SOPInstanceUID)]
    until(lambda: set(uids) <= set(held(township)), 30, "everything to be in the queue")
    assert len(held(township)) == len(set(held(township)))


def test_a_release_that_does_not_come_up_is_taken_back(township: Trial) -> None:
    prepared(township)
    with Stubborn(township, images(5, series=1, run="before")) as first:
        until(first.everything, 30, "the first images")
    tree = with_migration(township.copy_of_tree(township.root / "tree"))
    roles = tree / "yilian/wiring/roles.py"
    roles.write_text(roles.read_text("utf-8") + "\nraise RuntimeError\n", "utf-8")
    said = township.upgrade(NEWER, "--within", "5", tree=tree, code=1)
    assert f"{NEWER} was taken back; {VERSION} runs" in said
    assert current(township) == f"releases/{VERSION}"
    # The older program lives with what the newer one added, and takes images on.
    assert VERSION in township.answers()
    with Stubborn(township, images(5, series=2, run="after")) as second:
        until(second.everything, 30, "images after")
    until(
        lambda: first.acknowledged | second.acknowledged <= set(held(township)), 30, "all of them"
    )


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("yilian/doctor/county.py", "def (:\n", "broken"),
        ("kernel/settings.py", "class Settings: pass\n", "cannot even look"),
    ],
)
def test_a_release_that_is_broken_never_comes_near_the_node(
    township: Trial, file: str, text: str, reason: str
) -> None:
    township.yilian("township", "--prepare")
    township.systemctl("start")
    process = (township.root / f"{township.unit}.pid").read_text("ascii")
    tree = township.copy_of_tree(township.root / "tree")
    (tree / file).write_text(text, "utf-8")
    assert reason in township.upgrade(NEWER, tree=tree, code=1)
    assert current(township) == f"releases/{VERSION}"
    assert township.systemctl("is-active") == 0
    assert (township.root / f"{township.unit}.pid").read_text("ascii") == process


def test_what_the_new_release_alone_finds_wrong_stops_the_update(township: Trial) -> None:
    township.yilian("township", "--prepare")
    tree = township.copy_of_tree(township.root / "tree")
    settings = tree / "kernel/settings.py"
    text = settings.read_text("utf-8")
    settings.write_text(text.replace("    keep_days:", "    keep_weeks:"), "utf-8")
    township.set("township", "keep_days = 3")
    said = township.upgrade(NEWER, tree=tree, code=1)
    assert "unknown key township.keep_days" in said
    assert current(township) == f"releases/{VERSION}"


def test_two_upgrades_at_once_do_not_meet(township: Trial) -> None:
    with (township.prefix / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "another" in township.upgrade(NEWER, code=1)
    assert [path.name for path in (township.prefix / "releases").iterdir()] == [VERSION]


def test_old_releases_go_but_never_the_one_to_go_back_to(township: Trial) -> None:
    for number in (2, 3, 4):
        township.upgrade(f"0.9.{number}", "--keep", "2")
    left = sorted(path.name for path in (township.prefix / "releases").iterdir())
    assert left == ["0.9.3", "0.9.4"]
    assert "current already" in township.upgrade("0.9.4")
