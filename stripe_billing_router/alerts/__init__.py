"""Telling people: what happened to operations, and what must never happen."""

from .alert import Alert
from .sending import AlertSender
from .telling import Alerts, LogObserver, LogReaction
from .urls import alert_urls

__all__ = [
    "Alert",
    "AlertSender",
    "Alerts",
    "LogObserver",
    "LogReaction",
    "alert_urls",
]
