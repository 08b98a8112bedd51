from django.db import migrations


class Migration(migrations.Migration):
    """An automatic decision needs a prediction that the gate routed `auto`: a composite foreign key says so."""

    dependencies = [("cases", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql="""
            ALTER TABLE cases_decision ADD CONSTRAINT decision_prediction_route
            FOREIGN KEY (prediction_id, prediction_route) REFERENCES cases_prediction (id, route)
            DEFERRABLE INITIALLY DEFERRED
            """,
            reverse_sql="ALTER TABLE cases_decision DROP CONSTRAINT decision_prediction_route",
        ),
    ]
