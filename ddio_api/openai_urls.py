"""The paths of the OpenAI door."""

from django.urls import path

from ddio_api.base import UnknownPath
from ddio_api.views import openai_door as views

urlpatterns = [
    path("chat/completions", views.CompletionsView.as_view(), name="openai-completions"),
    path("models", views.ModelsView.as_view(), name="openai-models"),
    path("models/<path:model>", views.ModelView.as_view(), name="openai-model"),
    path("", UnknownPath.as_view(), name="openai-root"),
    path("<path:rest>", UnknownPath.as_view(), name="openai-unknown"),
]
