"""Registers the reactions of all rooms; every process imports it once."""

from domain.audit import reactions as audit
from domain.clinics import reactions as clinics
from domain.notifications import reactions as notifications

__all__ = ["audit", "clinics", "notifications"]
