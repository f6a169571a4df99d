"""Telling people: what happened to operations, and what must never happen."""

from .logs import LogObserver, LogReaction

__all__ = ["LogObserver", "LogReaction"]
