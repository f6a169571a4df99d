"""Run by Alembic; what it works with comes from `store.migrate`.

Not by name: this file is executed by its path, and knows nothing of the package that it is in.
"""

from alembic import context

context.configure(**context.config.attributes, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
