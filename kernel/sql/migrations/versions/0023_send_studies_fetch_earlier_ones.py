"""Send studies to other nodes and fetch earlier ones.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import JsonDocument, RowId, UtcDateTime

revision = '0023'
down_revision = '0020'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.create_table('deliveries',
    sa.Column('id', RowId, nullable=False),
    sa.Column('destination', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('study_instance_uid', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('institution', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('priority', sa.SmallInteger(), nullable=False),
    sa.Column('rule', sa.Text(), server_default='', nullable=False),
    sa.Column('asked_by', sa.Text(), server_default='', nullable=False),
    sa.Column('is_open', sa.Boolean(), nullable=False),
    sa.Column('turn', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('made_at', UtcDateTime(), nullable=False),
    sa.Column('changed_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deliveries')),
    sa.UniqueConstraint('destination', 'study_instance_uid', name=op.f('uq_deliveries_destination_study_instance_uid'))
    )
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.create_index('ix_deliveries_open', ['destination', 'priority', 'turn'], unique=False, sqlite_where=sa.text('is_open'), postgresql_where=sa.text('is_open'))
        batch_op.create_index('ix_deliveries_study_instance_uid', ['study_instance_uid'], unique=False)

    op.create_table('delivery_places',
    sa.Column('destination', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('next_try_at', UtcDateTime(), nullable=True),
    sa.Column('succeeded_at', UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('destination', name=op.f('pk_delivery_places'))
    )
    op.create_table('prior_questions',
    sa.Column('id', RowId, nullable=False),
    sa.Column('archive', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('study_instance_uid', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('asked', JsonDocument, nullable=False),
    sa.Column('rule', sa.Text(), nullable=False),
    sa.Column('failures', sa.Integer(), server_default='0', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('next_try_at', UtcDateTime(), nullable=True),
    sa.Column('made_at', UtcDateTime(), nullable=False),
    sa.Column('done_at', UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_prior_questions')),
    sa.UniqueConstraint('archive', 'study_instance_uid', name=op.f('uq_prior_questions_archive_study_instance_uid'))
    )
    with op.batch_alter_table('prior_questions', schema=None) as batch_op:
        batch_op.create_index('ix_prior_questions_waiting', ['archive', 'id'], unique=False, sqlite_where=sa.text('done_at IS NULL'), postgresql_where=sa.text('done_at IS NULL'))

    op.create_table('prior_studies',
    sa.Column('study_instance_uid', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('for_study', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('archive', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('asked_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_instance_uid', 'for_study', name=op.f('pk_prior_studies'))
    )
    op.create_table('delivery_instances',
    sa.Column('delivery', RowId, nullable=False),
    sa.Column('sop_instance_uid', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('state', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('not_before', UtcDateTime(), nullable=True),
    sa.Column('changed_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['delivery'], ['deliveries.id'], name=op.f('fk_delivery_instances_delivery'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('delivery', 'sop_instance_uid', name=op.f('pk_delivery_instances'))
    )
    with op.batch_alter_table('delivery_instances', schema=None) as batch_op:
        batch_op.create_index('ix_delivery_instances_left', ['delivery', 'state', 'attempts', 'number'], unique=False, sqlite_where=sa.text("state != 'done'"), postgresql_where=sa.text("state != 'done'"))


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
