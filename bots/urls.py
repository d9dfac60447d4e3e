"""The console's pages of robots, the review desk and the chat."""

from django.urls import include, path

from bots.views import (
    chat,
    chat_messages,
    chat_news,
    console,
    feedback,
    keys,
    review,
    robot,
    robot_trial,
    robot_versions,
    safety,
    usage,
)

number = [
    path("", console.overview, name="number"),
    path("keys/", keys.keys, name="number-keys"),
    path("keys/<str:key_id>/", keys.edit, name="key-edit"),
    path("keys/<str:key_id>/row/", keys.row, name="key-row"),
    path("keys/<str:key_id>/check/", keys.check, name="key-check"),
    path("keys/<str:key_id>/remove/", keys.remove, name="key-remove"),
    path("robot/", robot.robot, name="number-robot"),
    path("robot/publish/", robot.publish, name="robot-publish"),
    path("robot/discard/", robot.discard, name="robot-discard"),
    path("robot/try/", robot_trial.try_beside, name="robot-try"),
    path("robot/try/<str:message_id>/", robot_trial.trial, name="robot-trial"),
    path("robot/versions/", robot_versions.versions, name="robot-versions"),
    path("robot/versions/<str:no>/", robot_versions.version, name="robot-version"),
    path("robot/versions/<str:no>/live/", robot_versions.roll_back, name="robot-rollback"),
    path("safety/", safety.safety, name="number-safety"),
    path("feedback/", feedback.feedback, name="number-feedback"),
    path("usage/", usage.usage, name="number-usage"),
    path("usage/entries/", usage.entries, name="usage-entries"),
    path("usage/entries.csv", usage.export, name="usage-export"),
    path("usage/budget/", usage.budget, name="number-budget"),
    path("usage/prices/", usage.price, name="price-set"),
    path("usage/prices/<int:price_id>/remove/", usage.remove_price, name="price-remove"),
]

desk = [
    path("", review.queue, name="review"),
    path("<str:app_id>/", review.detail, name="review-number"),
    path("<str:app_id>/decide/", review.decide, name="review-decide"),
]

talk = [
    path("", chat.chat, name="chat"),
    path("ask/", chat_messages.ask, name="chat-ask"),
    path("follow/", chat_news.follow, name="chat-follow"),
    path("news/", chat_news.news, name="chat-news"),
    path("news/seen/", chat_news.seen, name="chat-news-seen"),
    path("messages/<str:message_id>/", chat_messages.message, name="chat-message"),
    path("messages/<str:message_id>/stream/", chat_messages.stream, name="chat-stream"),
    path("messages/<str:message_id>/stop/", chat_messages.stop, name="chat-stop"),
    path("messages/<str:message_id>/rating/", chat_messages.rate, name="chat-rating"),
    path("<str:conversation_id>/", chat.conversation, name="chat-conversation"),
]

urlpatterns = [
    path("console/", console.numbers, name="console"),
    path("console/numbers/<str:app_id>/", include(number)),
    path("review/", include(desk)),
    path("chat/<str:handle>/", include(talk)),
]
