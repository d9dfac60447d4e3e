from bots.models.audience import Audience, Follower, News
from bots.models.chat import Channel, Conversation, Message, Person, Rating, Status
from bots.models.feed import FeedCounter, FeedEntry, IdempotencyKey, Kind
from bots.models.keys import ApiKey, KeyStatus, KeyVerdict
from bots.models.prompts import Prompt
from bots.models.robots import Robot
from bots.models.safety import BlockedAnswer, BlockedWords, Place, Source

__all__ = [
    "ApiKey",
    "Audience",
    "BlockedAnswer",
    "BlockedWords",
    "Channel",
    "Conversation",
    "FeedCounter",
    "FeedEntry",
    "Follower",
    "IdempotencyKey",
    "KeyStatus",
    "KeyVerdict",
    "Kind",
    "Message",
    "News",
    "Person",
    "Place",
    "Prompt",
    "Rating",
    "Robot",
    "Source",
    "Status",
]
