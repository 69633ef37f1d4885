"""Look at stored objects again.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import RowId, UtcDateTime

revision = '0029'
down_revision = '0028'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.create_table('object_check_places',
    sa.Column('source', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('last_id', sa.BigInteger(), nullable=False),
    sa.Column('began_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('source', name=op.f('pk_object_check_places'))
    )
    op.create_table('object_checks',
    sa.Column('object_key', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('sop_instance_uid', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), server_default='', nullable=False),
    sa.Column('sha256', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), server_default='', nullable=False),
    sa.Column('checked_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('object_key', name=op.f('pk_object_checks')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('object_checks', schema=None) as batch_op:
        batch_op.create_index('ix_object_checks_checked_at', ['checked_at', 'object_key'], unique=False)
        batch_op.create_index('ix_object_checks_unread', ['checked_at', 'object_key'], unique=False, sqlite_where=sa.text("sha256 = ''"), postgresql_where=sa.text("sha256 = ''"))

    op.create_table('object_damages',
    sa.Column('id', RowId, nullable=False),
    sa.Column('object_key', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), server_default='', nullable=False),
    sa.Column('kind', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), server_default='', nullable=False),
    sa.Column('sop_instance_uid', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), server_default='', nullable=False),
    sa.Column('study_instance_uid', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), server_default='', nullable=False),
    sa.Column('institution', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), server_default='', nullable=False),
    sa.Column('found_at', UtcDateTime(), nullable=False),
    sa.Column('seen_at', UtcDateTime(), nullable=False),
    sa.Column('mended_at', UtcDateTime(), nullable=True),
    sa.Column('mended_by', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_object_damages'))
    )
    with op.batch_alter_table('object_damages', schema=None) as batch_op:
        batch_op.create_index('ix_object_damages_open', ['object_key'], unique=True, sqlite_where=sa.text('mended_at IS NULL'), postgresql_where=sa.text('mended_at IS NULL'))


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
