"""Tell of catalogues.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import Code, JsonDocument

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.create_table('examination_catalogues',
    sa.Column('institution', sa.String(length=64), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('node', Code, server_default='', nullable=False),
    sa.PrimaryKeyConstraint('institution', name=op.f('pk_examination_catalogues'))
    )
    op.create_table('examination_catalogue_parts',
    sa.Column('institution', sa.String(length=64), nullable=False),
    sa.Column('node', Code, nullable=False),
    sa.Column('part', sa.Integer(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('rows', JsonDocument, nullable=False),
    sa.PrimaryKeyConstraint('institution', 'node', 'part', name=op.f('pk_examination_catalogue_parts'))
    )


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
