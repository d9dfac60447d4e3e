"""An empty database after a test that committed: as Django's own, in a tenth of the time.

Django truncates every table and then writes all content types and permissions anew. Here the rows
that are there are deleted, and what the migrations wrote stays.
"""

from functools import cache

from django.db import connection, transaction

FROM_MIGRATIONS = {"django_migrations", "django_content_type", "auth_permission"}


@cache
def _tables() -> list[str]:
    found = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return sorted(set(found) - FROM_MIGRATIONS)


def _with_rows(tables: list[str]) -> list[str]:
    """Asked in one statement."""
    each = [f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM \"{table}\")" for table in tables]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(each))
        return [row[0] for row in cursor.fetchall()]


def empty_database(_test_case: object) -> None:
    """In one transaction: foreign keys are looked at when it commits."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table in _with_rows(_tables()):
            cursor.execute(f'DELETE FROM "{table}"')
