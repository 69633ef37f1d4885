"""Wait with one object on its way back.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import UtcDateTime

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    with op.batch_alter_table('exchange_return_objects', schema=None) as batch_op:
        batch_op.add_column(sa.Column('failures', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('not_before', UtcDateTime(), nullable=True))


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
