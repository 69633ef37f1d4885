"""Never number two letters alike.

Written by hand: adding a column had made the feed's table anew and lost AUTOINCREMENT in SQLite. A
letter that took the place of the newest one then had that one's number, and nodes that had read
so far passed it over.
"""

import datetime as dt

import sqlalchemy as sa
from alembic import op

revision = '0032'
down_revision = '0031'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""

STATES = ('account', 'village-account', 'study-urgency', 'catalogue', 'accession-block')
"""Letters that take each other's place, and change nothing where they were read."""
REPORTS_OF = dt.timedelta(days=30)
"""Older ones may have left the township again; they would all come over the line once more."""


def upgrade() -> None:
    conn = op.get_bind()
    if conn.dialect.name != 'sqlite':
        return
    columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in ('id', 'kind', 'at')]
    feed = sa.table('exchange_feed', *columns)
    newest = conn.scalar(sa.select(sa.func.max(feed.c.id))) or 0
    since = (dt.datetime.now(dt.UTC) - REPORTS_OF).replace(tzinfo=None).isoformat(' ')
    passed_over = feed.c.kind.in_(STATES) | ((feed.c.kind == 'report') & (feed.c.at >= since))
    # They are read once more by every node, which then stands as the county says.
    conn.execute(sa.update(feed).where(passed_over).values(id=feed.c.id + newest))
    with op.batch_alter_table('exchange_feed', recreate='always', table_kwargs={'sqlite_autoincrement': True}):
        pass


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
