"""Keep the native form and the receipt time of a content that came second.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import UtcDateTime

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def _text(name: str) -> sa.Column[str]:
    return sa.Column(
        name,
        sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'),
        server_default='',
        nullable=False,
    )


def upgrade() -> None:
    op.add_column('instance_conflict', _text('native_transfer_syntax_uid'))
    op.add_column('instance_conflict', _text('native_photometric_interpretation'))
    op.add_column(
        'instance_conflict', sa.Column('native_planar_configuration', sa.SmallInteger(), nullable=True)
    )
    op.add_column('instance_conflict', _text('native_pixel_vr'))
    # Of what was kept before, only the time of filing is known.
    op.add_column('instance_conflict', sa.Column('received_at', UtcDateTime(), nullable=True))


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
