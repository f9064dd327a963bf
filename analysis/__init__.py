"""From a study folder to statistics, figures and one HTML report. Reads; never trains."""

from analysis.attack_report import write_attack_report
from analysis.attacks import Attacks, load_attacks
from analysis.contact_sheet import write_contact_sheet
from analysis.records import Study, load_study
from analysis.report import headline, write_report

__all__ = [
    "Attacks",
    "Study",
    "headline",
    "load_attacks",
    "load_study",
    "write_attack_report",
    "write_contact_sheet",
    "write_report",
]
