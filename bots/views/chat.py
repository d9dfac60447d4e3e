"""The chat page of a number."""

from django.http import HttpRequest, HttpResponse


def chat(request: HttpRequest, handle: str) -> HttpResponse:
    raise NotImplementedError


def conversation(request: HttpRequest, handle: str, conversation_id: str) -> HttpResponse:
    raise NotImplementedError


def ask(request: HttpRequest, handle: str) -> HttpResponse:
    raise NotImplementedError


def message(request: HttpRequest, handle: str, message_id: str) -> HttpResponse:
    raise NotImplementedError


def stream(request: HttpRequest, handle: str, message_id: str) -> HttpResponse:
    raise NotImplementedError


def stop(request: HttpRequest, handle: str, message_id: str) -> HttpResponse:
    raise NotImplementedError


def rate(request: HttpRequest, handle: str, message_id: str) -> HttpResponse:
    raise NotImplementedError
