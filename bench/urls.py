"""The platform's site and, beside it, what it is compared with."""

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from bench.feed_by_drf import DrfFeedView, OpenDrfFeedView, OpenFeedView
from portal import urls

handler400, handler403, handler404 = urls.handler400, urls.handler403, urls.handler404
handler429, handler500 = urls.handler429, urls.handler500


@csrf_exempt
def bare(request: HttpRequest) -> JsonResponse:
    """A view that does nothing: what the server, the bridge and the middleware cost."""
    return JsonResponse({"code": 0, "msg": "ok"})


urlpatterns = [
    path("bench/bare", bare, name="bench-bare"),
    path("platform/bench/bare", bare, name="bench-machines-bare"),
    path("platform/bench/drf", DrfFeedView.as_view(), name="bench-drf"),
    path("platform/bench/open/drf", OpenDrfFeedView.as_view(), name="bench-open-drf"),
    path("platform/bench/open/feed", OpenFeedView.as_view(), name="bench-open-feed"),
    *urls.urlpatterns,
]
