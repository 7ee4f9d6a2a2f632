"""What a run tells about itself: a page that opens offline, and the card of its model."""

from belamy.report.card import model_card
from belamy.report.chart import line_chart
from belamy.report.page import write_report
from belamy.report.records import read_log

__all__ = ["line_chart", "model_card", "read_log", "write_report"]
