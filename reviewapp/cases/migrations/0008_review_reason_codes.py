import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cases", "0007_vector_build")]

    operations = [
        migrations.AddIndex(
            model_name="review",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    models.Func(
                        "reasons",
                        models.Value("$[*].code"),
                        function="jsonb_path_query_array",
                        output_field=models.JSONField(),
                    ),
                    name="jsonb_path_ops",
                ),
                name="review_reason_codes",
            ),
        ),
    ]
