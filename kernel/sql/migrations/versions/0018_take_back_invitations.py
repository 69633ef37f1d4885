"""Take back invitations.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import UtcDateTime

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    with op.batch_alter_table('exchange_invitations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('withdrawn_at', UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('withdrawn_by', sa.Text(), server_default='', nullable=False))


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
