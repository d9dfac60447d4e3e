"""Doors at the addresses where the clients of other platforms look for them."""

from django.urls import path

from ddio_api.views import oauth, tokens

urlpatterns = [
    path("oauth2/token", oauth.OAuthTokenView.as_view(), name="oauth-token"),
    path("oauth2/revoke", oauth.OAuthRevokeView.as_view(), name="oauth-revoke"),
    path(
        ".well-known/oauth-authorization-server",
        oauth.OAuthMetadataView.as_view(),
        name="oauth-metadata",
    ),
    path("cgi-bin/stable_token", tokens.StableTokenView.as_view(), name="wechat-stable-token"),
    path("cgi-bin/token", tokens.WeChatTokenView.as_view(), name="wechat-token"),
]
