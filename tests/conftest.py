"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine is slow at any moment: how long an example takes to be made or tried says nothing.
settings.register_profile("ovr", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ovr")
