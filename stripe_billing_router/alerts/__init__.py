"""Telling people: what happened to operations, and what must never happen."""

from .alert import Alert
from .dispatching import Alerts
from .logs import LogObserver, LogReaction
from .sending import AlertSender
from .urls import alert_urls

__all__ = [
    "Alert",
    "AlertSender",
    "Alerts",
    "LogObserver",
    "LogReaction",
    "alert_urls",
]
