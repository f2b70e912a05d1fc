"""What a tenant says of itself and its customers: read, checked, normalised and kept in versions.

``reading`` turns bytes into JSON or one sentence, ``payload`` both shapes of it into ``answers``, by ``values`` and
``fields``; ``store`` writes a version, ``evidence`` says which facts follow from answers, ``inbox`` takes what
applications handed in and ``load`` what a person brings as a file.
"""

from ingest.intake.answers import Answers
from ingest.intake.errors import IntakeError
from ingest.intake.inbox import InboxOutcome, process_inbox
from ingest.intake.load import load_intake
from ingest.intake.payload import Understood, json_schema, understand
from ingest.intake.store import IntakeReport, store_intake

__all__ = [
    "Answers",
    "InboxOutcome",
    "IntakeError",
    "IntakeReport",
    "Understood",
    "json_schema",
    "load_intake",
    "process_inbox",
    "store_intake",
    "understand",
]
