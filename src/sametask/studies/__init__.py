"""What else can be asked: of many networks, of heads, of a network's own neurons."""

from sametask.studies.classes import classes as classes
from sametask.studies.heads import transfer_head as transfer_head
from sametask.studies.neurons import reconstruct as reconstruct
from sametask.studies.neurons import whitney as whitney
