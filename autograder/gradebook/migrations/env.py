"""What Alembic runs: the gradebook hands it an open connection."""

from alembic import context

from autograder.gradebook.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite cannot alter a column
    user_module_prefix="",
)
with context.begin_transaction():
    context.run_migrations()
