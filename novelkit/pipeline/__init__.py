"""Stages 01 to 04 put together: files of novels to the DATA folder that training reads.

`preparing.py` is the job, `reading.py` one book, `joining.py` a book of which each chapter is a
file, `workers.py` the processes, `folder.py` what is already there, `report.py` the counts. The
stages themselves do the work and know nothing of files in bulk.
"""

from novelkit.pipeline.preparing import Listener, Settings, prepare
from novelkit.pipeline.reading import Prepared, Refused

__all__ = ["Listener", "Prepared", "Refused", "Settings", "prepare"]
