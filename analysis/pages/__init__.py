"""Reports as HTML files that work offline, and tables for the terminal."""

from analysis.pages.attack_report import write_attack_report
from analysis.pages.compare_report import write_comparison
from analysis.pages.confirm_report import confirmation_figures, write_confirmation_report
from analysis.pages.contact_sheet import write_contact_sheet
from analysis.pages.property_report import property_table, write_property_report
from analysis.pages.report import controlled, headline, write_report
from analysis.pages.section import Section

__all__ = [
    "Section",
    "confirmation_figures",
    "controlled",
    "headline",
    "property_table",
    "write_attack_report",
    "write_comparison",
    "write_confirmation_report",
    "write_contact_sheet",
    "write_property_report",
    "write_report",
]
