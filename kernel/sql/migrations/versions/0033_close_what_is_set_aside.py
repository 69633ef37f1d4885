"""Close what is set aside when it is taken.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import UtcDateTime

revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    with op.batch_alter_table('filing_set_aside', schema=None) as batch_op:
        batch_op.add_column(sa.Column('taken_at', UtcDateTime(), nullable=True))
        batch_op.create_index('ix_filing_set_aside_open', ['sop_instance_uid'], unique=False, sqlite_where=sa.text('taken_at IS NULL'), postgresql_where=sa.text('taken_at IS NULL'))
    # What was not counted as open before. The rest may be: nothing tells which was filed first.
    op.execute(
        "UPDATE filing_set_aside SET taken_at = set_aside_at WHERE EXISTS (SELECT 1 FROM instance "
        "WHERE instance.sop_instance_uid = filing_set_aside.sop_instance_uid "
        "AND instance.received_at > filing_set_aside.set_aside_at)"
    )


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
