"""All attacks."""

from tests.hostile.answers import ANSWERS
from tests.hostile.crashes import CRASHES
from tests.hostile.escapes import ESCAPES
from tests.hostile.forgeries import FORGERIES
from tests.hostile.leaks import LEAKS
from tests.hostile.names import SOURCES

ATTACKS = [*ESCAPES, *FORGERIES, *ANSWERS, *CRASHES, *LEAKS, *SOURCES]
