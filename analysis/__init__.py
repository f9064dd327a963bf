"""From a study folder to statistics, figures and one HTML report. Reads; never trains."""

from analysis.records import Study, load_study
from analysis.report import write_report

__all__ = ["Study", "load_study", "write_report"]
