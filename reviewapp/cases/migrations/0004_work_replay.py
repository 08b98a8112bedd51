from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cases", "0003_checks_refuse_null")]

    operations = [
        migrations.AlterField(
            model_name="work",
            name="kind",
            field=models.CharField(
                choices=[
                    ("score", "Score"),
                    ("shadow", "Shadow"),
                    ("explain", "Explain"),
                    ("embed", "Embed"),
                    ("check_bundle", "Check bundle"),
                    ("train", "Train"),
                    ("export", "Export"),
                    ("relabel", "Relabel"),
                    ("replay", "Replay"),
                ],
                max_length=12,
            ),
        ),
    ]
