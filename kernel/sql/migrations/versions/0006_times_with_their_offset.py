"""Keep the offset from UTC a study's device states, at the township as at the county.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.add_column(
        'township_studies',
        sa.Column('timezone_offset_from_utc', sa.Text(), server_default='', nullable=False),
    )


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
