"""Pin emergencies.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    with op.batch_alter_table('study', schema=None) as batch_op:
        batch_op.create_index('ix_study_emergency', ['received_at'], unique=False, sqlite_where=sa.text('priority = 0'), postgresql_where=sa.text('priority = 0'))


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
