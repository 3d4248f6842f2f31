"""All attacks."""

from tests.hostile.crashes import CRASHES
from tests.hostile.escapes import ESCAPES
from tests.hostile.exceptions import EXCEPTIONS
from tests.hostile.frames import FRAMES, FUNCTIONS
from tests.hostile.leaks import LEAKS
from tests.hostile.names import SOURCES
from tests.hostile.patches import PATCHING
from tests.hostile.values import VALUES

ATTACKS = [*ESCAPES, *PATCHING, *FRAMES, *FUNCTIONS, *VALUES, *EXCEPTIONS, *CRASHES, *LEAKS, *SOURCES]
