"""Decide between contents.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import JsonDocument, RowId, UtcDateTime

revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def _code(name: str) -> sa.Column[str]:
    return sa.Column(
        name,
        sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'),
        server_default='',
        nullable=False,
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default='', nullable=False)


def upgrade() -> None:
    op.create_table('content_decisions',
    sa.Column('id', RowId, nullable=False),
    _code('study_instance_uid'),
    _code('sop_instance_uid'),
    _code('institution'),
    _code('answers'),
    _code('before'),
    sa.Column('contents', JsonDocument, nullable=False),
    _text('reason'),
    _text('made_by'),
    _text('made_by_name'),
    sa.Column('made_at', UtcDateTime(), nullable=False),
    _text('undone_by'),
    _text('undone_by_name'),
    _text('undone_reason'),
    sa.Column('undone_at', UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_content_decisions'))
    )
    with op.batch_alter_table('content_decisions', schema=None) as batch_op:
        batch_op.create_index('ix_content_decisions_sop_instance_uid', ['sop_instance_uid'], unique=False)
        batch_op.create_index('ix_content_decisions_study_instance_uid', ['study_instance_uid'], unique=False)

    # Of what was kept before, its sender's institution and AE title are known, and no more.
    op.add_column('instance_conflict', _code('called_ae_title'))
    op.add_column('instance_conflict', _code('address'))
    op.add_column('instance_conflict', _code('door'))
    op.add_column('instance_conflict', _code('oddities'))
    op.add_column('instance_conflict', sa.Column('decision', RowId, nullable=True))


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
