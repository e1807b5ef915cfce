"""One self-contained HTML page from a verdict."""

from sametask.report.page import write as write
