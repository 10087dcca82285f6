import sys
from pathlib import Path

# The samples of the unit tests serve here too.
sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "layout"))
