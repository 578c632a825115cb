"""Stage 07, the loss doctor: a run -> findings, each with its evidence and the next experiment.

In the order to read:
    causes.py    the causes: names, cures, the experiment that tells each apart
    curve.py     a history as arrays, and robust statistics
    signs.py     what a history shows, as numbers with names
    events.py    single spikes, where a gap opened, steps after evaluations
    setup.py     a training taken apart, so that its pieces can be tried
    run_setup.py the same of a RUN folder and its DATA
    preflight.py what can be known before the first step
    probes.py    experiments on the pieces, each a second or two: probe_pieces.py, which look at
                 one, probe_trainings.py, which train a little, and probe_batches.py
    neighbours.py  the recorded runs that are most like a run
    rules.py     which signs speak for which cause
    wording.py   what a sign says in a sentence
    reading.py   histories of other trainers: transformers, CSV, TensorBoard (with merging.py)
    doctor.py    from signs to a diagnosis
    game.py      blind curves to guess at, for the lesson
"""

from novelkit.diagnosis.causes import CAUSES, HEALTHY
from novelkit.diagnosis.doctor import UNKNOWN, Diagnosis, Finding, diagnose, diagnose_history
from novelkit.diagnosis.preflight import Check, preflight
from novelkit.diagnosis.probes import Probed, probe
from novelkit.diagnosis.reading import read_log
from novelkit.diagnosis.run_setup import RunSetup
from novelkit.diagnosis.setup import TrainingSetup

__all__ = [
    "CAUSES",
    "Check",
    "HEALTHY",
    "UNKNOWN",
    "Diagnosis",
    "Finding",
    "Probed",
    "RunSetup",
    "TrainingSetup",
    "diagnose",
    "diagnose_history",
    "preflight",
    "probe",
    "read_log",
]
