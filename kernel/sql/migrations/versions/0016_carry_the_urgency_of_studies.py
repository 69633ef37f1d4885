"""Carry the urgency of studies: who chose it, what townships told of it, how far orders were read.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import UtcDateTime

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.create_table('archive_event_places',
    sa.Column('reader', sa.String(length=64), nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('reader', name=op.f('pk_archive_event_places'))
    )
    op.create_table('exchange_study_priorities',
    sa.Column('study_instance_uid', sa.String(length=64), nullable=False),
    sa.Column('institution', sa.String(length=64), nullable=False),
    sa.Column('priority', sa.String(length=16), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('told_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_instance_uid', 'institution', name=op.f('pk_exchange_study_priorities'))
    )
    op.add_column(
        'township_studies', sa.Column('rank_choices', sa.Integer(), server_default='0', nullable=False)
    )


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
