"""Evidence, noise floor, decision, diagnosis."""

from sametask.verdict.evidence import Evidence as Evidence
from sametask.verdict.heads import HeadTransfer as HeadTransfer
from sametask.verdict.verdict import Decision as Decision
from sametask.verdict.verdict import Verdict as Verdict
