"""The one door of django-oauth-toolkit that is measured."""

from django.urls import path
from oauth2_provider.views import TokenView

urlpatterns = [path("token/", TokenView.as_view(), name="toolkit-token")]
