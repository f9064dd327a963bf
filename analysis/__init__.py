"""From a study folder to statistics, figures and one HTML report. Reads; never trains."""

from analysis.records import Study, load_study
from analysis.report import headline, write_report

__all__ = ["Study", "headline", "load_study", "write_report"]
