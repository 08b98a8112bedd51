"""Models as files: bundles, scoring, explanations and similar cases, without Django and Celery."""
