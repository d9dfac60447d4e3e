"""The map of the site."""

from django.contrib import admin
from django.urls import include, path

from portal import health, views

urlpatterns = [
    path("", views.home, name="home"),
    path(
        "accounts/first-administrator/<str:token>/",
        views.first_administrator,
        name="first-administrator",
    ),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("platform/api2/", include("ddio_api.urls")),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
]

handler400 = "ddio_api.fallbacks.bad_request"
handler404 = "ddio_api.fallbacks.not_found"
handler500 = "ddio_api.fallbacks.server_error"
