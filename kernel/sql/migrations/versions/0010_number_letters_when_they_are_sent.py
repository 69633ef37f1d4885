"""Number letters when they are sent.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.add_column('exchange_out', sa.Column('sent_as', sa.BigInteger(), nullable=True))
    op.create_index('ix_exchange_out_sent_as', 'exchange_out', ['sent_as'], unique=False)


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
