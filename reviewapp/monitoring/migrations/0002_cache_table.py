from django.db import migrations


class Migration(migrations.Migration):
    """The table of django.core.cache.backends.db.DatabaseCache, as `createcachetable` would make it."""

    dependencies = [("monitoring", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql="""
            CREATE TABLE django_cache (
                cache_key varchar(255) PRIMARY KEY,
                value text NOT NULL,
                expires timestamp with time zone NOT NULL
            );
            CREATE INDEX django_cache_expires ON django_cache (expires);
            """,
            reverse_sql="DROP TABLE django_cache",
        ),
    ]
