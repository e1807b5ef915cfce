"""Many networks: pairs of them judged, and the classes that these make."""

from sametask.classes.classes import Classes as Classes
