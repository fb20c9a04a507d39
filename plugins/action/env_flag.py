"""Run the module of the same name on the services' host and print its lines."""

from __future__ import annotations

from ..plugin_utils.reporting import ReportingAction


class ActionModule(ReportingAction):
    """See the module's documentation."""

    HAS_ADDRESS = False
