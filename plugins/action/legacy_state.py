"""Run the module of the same name and print its lines."""

from __future__ import annotations

from ..plugin_utils.reporting import ReportingAction


class ActionModule(ReportingAction):
    """See the module's documentation."""
