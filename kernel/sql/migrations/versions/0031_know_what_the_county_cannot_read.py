"""Know what the county cannot read.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import UtcDateTime

revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.create_table('township_county_asides',
    sa.Column('sop_instance_uid', sa.String(length=64), nullable=False),
    sa.Column('content', sa.String(length=160), nullable=False),
    sa.Column('reason_code', sa.Text(), server_default='', nullable=False),
    sa.Column('told_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('sop_instance_uid', 'content', name=op.f('pk_township_county_asides'))
    )


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
