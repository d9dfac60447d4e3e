"""The map of the site."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from portal import health
from portal.views import avatars, credentials, home, notices, numbers, preferences

# Django's own form knows neither the second factor nor the limits of the site's login.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

secrets = [
    path("", credentials.credentials, name="number-credentials"),
    path("new/", credentials.new, name="secret-new"),
    path("<int:generation>/<str:deed>/", credentials.change, name="secret-change"),
]

console: list[URLPattern | URLResolver] = [
    path("notices/", notices.notices, name="notices"),
    path("notices/read/", notices.read, name="notices-read"),
    path("numbers/new/", numbers.new, name="number-new"),
    path("numbers/<str:app_id>/profile/", numbers.profile, name="number-profile"),
    path("numbers/<str:app_id>/move/<str:transition>/", numbers.move, name="number-move"),
    path("numbers/<str:app_id>/credentials/", include(secrets)),
]

# The machines' first: they ask most, and each pattern that does not fit costs them time.
urlpatterns = [
    path("platform/api2/", include("ddio_api.urls")),
    path("", include("ddio_api.foreign_urls")),
    path("v1/", include("ddio_api.openai_urls")),
    path("", home.home, name="home"),
    path("language/", preferences.set_language, name="set_language"),
    path("avatars/<str:digest>.png", avatars.avatar, name="avatar"),
    path(
        "accounts/first-administrator/<str:token>/",
        home.first_administrator,
        name="first-administrator",
    ),
    path("accounts/", include("allauth.urls")),
    path("console/", include(console)),
    path("", include("bots.urls")),
    path("", include("ddio_api.console.urls")),
    path("admin/", admin.site.urls),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
]

handler400 = "ddio_api.fallbacks.bad_request"
handler403 = "ddio_api.fallbacks.forbidden"
handler404 = "ddio_api.fallbacks.not_found"
handler429 = "portal.rate_pages.too_many_requests"  # allauth's, not Django's
handler500 = "ddio_api.fallbacks.server_error"
