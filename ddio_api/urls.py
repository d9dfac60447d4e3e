"""The map of the open interface."""

from django.urls import path

from ddio_api import documentation
from ddio_api.base import UnknownPath
from ddio_api.views import chat, conversations, feedback, news, people, quota, tokens, usage

urlpatterns = [
    path("token", tokens.TokenView.as_view(), name="ddio-token"),
    path("chat/send", chat.ChatSendView.as_view(), name="ddio-chat-send"),
    path("chat/feedback", feedback.FeedView.as_view(), name="ddio-feed"),
    path("chat/feedback/<str:message_id>", feedback.FeedItemView.as_view(), name="ddio-feed-item"),
    path(
        "chat/feedback/<str:message_id>/stream", feedback.StreamView.as_view(), name="ddio-stream"
    ),
    path("message/send", news.MessageSendView.as_view(), name="ddio-message-send"),
    path("followers", news.FollowersView.as_view(), name="ddio-followers"),
    path(
        "chat/feedback/<str:message_id>/rating", feedback.RatingView.as_view(), name="ddio-rating"
    ),
    path("chat/cancel", chat.ChatCancelView.as_view(), name="ddio-chat-cancel"),
    path(
        "chat/conversations",
        conversations.ConversationsView.as_view(),
        name="ddio-conversations",
    ),
    path(
        "chat/conversations/<str:conversation_id>/messages",
        conversations.MessagesView.as_view(),
        name="ddio-messages",
    ),
    path("people/<path:open_id>", people.PersonView.as_view(), name="ddio-person"),
    path("quota", quota.QuotaView.as_view(), name="ddio-quota"),
    path("usage", usage.UsageView.as_view(), name="ddio-usage"),
    path("schema/", documentation.SchemaView.as_view(), name="ddio-schema"),
    path("docs/", documentation.DocsView.as_view(), name="ddio-docs"),
    path("docs/calls/", documentation.CallsView.as_view(), name="ddio-calls"),
    path("", UnknownPath.as_view(), name="ddio-root"),
    path("<path:rest>", UnknownPath.as_view(), name="ddio-unknown"),
]
