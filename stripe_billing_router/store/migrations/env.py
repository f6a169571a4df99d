"""Run by Alembic; the connection comes from `store.migrate`."""

from alembic import context

from stripe_billing_router.store.migrate import VERSION_TABLE
from stripe_billing_router.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
