from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    name = "reviewapp.embedded"
    label = "embedded"
