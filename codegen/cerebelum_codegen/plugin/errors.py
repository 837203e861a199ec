"""Errors of the plugin: each reaches the user through buf or protoc, as a sentence without a traceback."""

from __future__ import annotations


class PluginError(Exception):
    """What is wrong with the request, where, and what to do."""
