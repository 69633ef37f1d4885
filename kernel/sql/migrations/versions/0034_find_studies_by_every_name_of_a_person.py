"""Find studies by every name of a person.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import RowId

revision = '0034'
down_revision = '0033'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.create_table('person_terms',
    sa.Column('text', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('patient', RowId, nullable=False),
    sa.ForeignKeyConstraint(['patient'], ['patient.id'], name=op.f('fk_person_terms_patient'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('text', 'patient', name=op.f('pk_person_terms')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('person_terms', schema=None) as batch_op:
        batch_op.create_index('ix_person_terms_patient', ['patient'], unique=False)

    with op.batch_alter_table('order_patients', schema=None) as batch_op:
        batch_op.create_index('ix_order_patients_reconciled_with', ['reconciled_with'], unique=False, sqlite_where=sa.text("reconciled_with != ''"), postgresql_where=sa.text("reconciled_with != ''"))


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
