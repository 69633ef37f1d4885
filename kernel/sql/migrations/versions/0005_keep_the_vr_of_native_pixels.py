"""Keep the VR pixel data had before it was compressed.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.add_column(
        'instance',
        sa.Column(
            'native_pixel_vr',
            sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'),
            server_default='',
            nullable=False,
        ),
    )


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
