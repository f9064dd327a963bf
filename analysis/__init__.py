"""From a study folder to statistics, figures and one HTML report. Reads; never trains."""

from analysis.attack_report import write_attack_report
from analysis.attacks import Attacks, load_attacks
from analysis.confirm_report import write_confirmation_report
from analysis.confirmation import Confirmation, has_confirmation, load_confirmation
from analysis.contact_sheet import write_contact_sheet
from analysis.contrast import Contrast, PropertyRecord, load_property
from analysis.property_report import property_table, write_property_report
from analysis.records import Study, load_study
from analysis.report import headline, write_report
from analysis.section import Section

__all__ = [
    "Attacks",
    "Confirmation",
    "Contrast",
    "PropertyRecord",
    "Section",
    "Study",
    "has_confirmation",
    "headline",
    "load_attacks",
    "load_confirmation",
    "load_property",
    "load_study",
    "property_table",
    "write_attack_report",
    "write_confirmation_report",
    "write_contact_sheet",
    "write_property_report",
    "write_report",
]
