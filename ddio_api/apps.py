from django.apps import AppConfig


class DdioApiConfig(AppConfig):
    name = "ddio_api"
    verbose_name = "DDIO"
