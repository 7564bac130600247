"""Charts as self-contained SVG."""

import re
import sys
from typing import Any

import pygal

# pygal leaves a finder for its plugins behind, which makes Python 3.11 warn at each later import.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]


def svg(chart: Any) -> str:
    """The chart as SVG, without its scripts, which hold only options."""
    drawn = chart.render(is_unicode=True, disable_xml_declaration=True)
    return re.sub("<script.*?</script>", "", drawn, flags=re.DOTALL)
