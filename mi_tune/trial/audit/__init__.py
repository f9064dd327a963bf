"""Audit: many attacks on one trained model, judged like those of a study."""

from mi_tune.trial.attempts import Attempt, plan_attempts
from mi_tune.trial.audit.folder import AuditFolder
from mi_tune.trial.audit.run import AuditOptions, run_audit
from mi_tune.trial.audit.subject import Subject, own_data, own_setup, subject_of

__all__ = [
    "Attempt",
    "AuditFolder",
    "AuditOptions",
    "Subject",
    "own_data",
    "own_setup",
    "plan_attempts",
    "run_audit",
    "subject_of",
]
