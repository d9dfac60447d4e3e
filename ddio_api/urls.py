"""The map of the open interface."""

from django.urls import path

from ddio_api import documentation, views
from ddio_api.base import UnknownPath

urlpatterns = [
    path("token", views.TokenView.as_view(), name="ddio-token"),
    path("chat/send", views.ChatSendView.as_view(), name="ddio-chat-send"),
    path("chat/feedback", views.FeedView.as_view(), name="ddio-feed"),
    path("chat/feedback/<str:message_id>", views.FeedItemView.as_view(), name="ddio-feed-item"),
    path("chat/feedback/<str:message_id>/stream", views.StreamView.as_view(), name="ddio-stream"),
    path("schema/", documentation.SchemaView.as_view(), name="ddio-schema"),
    path("docs/", documentation.DocsView.as_view(), name="ddio-docs"),
    path("", UnknownPath.as_view(), name="ddio-root"),
    path("<path:rest>", UnknownPath.as_view(), name="ddio-unknown"),
]
