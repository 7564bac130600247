"""Plots as SVG that needs nothing else."""

import re
import sys
from typing import Any

import pygal

# pygal leaves a finder for its plugins behind, of a kind that Python 3.11 warns of at each import that follows.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]


def svg(chart: Any) -> str:
    """Without the scripts, which hold a chart's options and have nothing to do here."""
    drawn = chart.render(is_unicode=True, disable_xml_declaration=True)
    return re.sub("<script.*?</script>", "", drawn, flags=re.DOTALL)
