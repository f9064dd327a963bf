"""Many attacks on one trained model, judged like those of a study."""

from mi_tune.audit.battery import Attempt, plan_attempts
from mi_tune.audit.folder import AuditFolder
from mi_tune.audit.run import AuditOptions, run_audit
from mi_tune.audit.subject import Subject, named_law, own_subject, study_subject

__all__ = [
    "Attempt",
    "AuditFolder",
    "AuditOptions",
    "Subject",
    "named_law",
    "own_subject",
    "plan_attempts",
    "run_audit",
    "study_subject",
]
