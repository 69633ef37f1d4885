"""Keep procedure steps and commitment requests.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import JsonDocument
from kernel.sql.columns import UtcDateTime

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.create_table('commitment_requests',
    sa.Column('id', sa.String(length=26), nullable=False),
    sa.Column('transaction_uid', sa.String(length=64), nullable=False),
    sa.Column('institution', sa.String(length=64), nullable=False),
    sa.Column('ae_title', sa.String(length=16), nullable=False),
    sa.Column('called_ae_title', sa.String(length=16), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('mark_segment', sa.BigInteger(), nullable=True),
    sa.Column('mark_offset', sa.BigInteger(), nullable=True),
    sa.Column('asked_at', UtcDateTime(), nullable=False),
    sa.Column('decided_at', UtcDateTime(), nullable=True),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.Column('due_at', UtcDateTime(), nullable=True),
    sa.Column('failures', sa.Integer(), server_default='0', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_commitment_requests'))
    )
    op.create_index('ix_commitment_requests_due', 'commitment_requests', ['state', 'due_at'], unique=False)
    op.create_index('ix_commitment_requests_ended', 'commitment_requests', ['ended_at'], unique=False)
    op.create_index('ix_commitment_requests_transaction', 'commitment_requests', ['ae_title', 'transaction_uid'], unique=False)

    op.create_table('performed_procedure_steps',
    sa.Column('sop_instance_uid', sa.String(length=64), nullable=False),
    sa.Column('institution', sa.String(length=64), nullable=False),
    sa.Column('ae_title', sa.String(length=16), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('study_instance_uid', sa.String(length=64), nullable=False),
    sa.Column('attributes', JsonDocument, nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('changed_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('sop_instance_uid', name=op.f('pk_performed_procedure_steps'))
    )
    op.create_index('ix_performed_procedure_steps_study_instance_uid', 'performed_procedure_steps', ['study_instance_uid'], unique=False)

    op.create_table('commitment_references',
    sa.Column('request_id', sa.String(length=26), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('sop_class_uid', sa.String(length=64), nullable=False),
    sa.Column('sop_instance_uid', sa.String(length=64), nullable=False),
    sa.Column('verdict', sa.String(length=16), nullable=False),
    sa.ForeignKeyConstraint(['request_id'], ['commitment_requests.id'], name=op.f('fk_commitment_references_request_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('request_id', 'number', name=op.f('pk_commitment_references'))
    )


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
