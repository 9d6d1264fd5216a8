"""`python -m services.ingest`"""

from mesh.process import run
from services.ingest.app import main
from services.ingest.settings import IngestSettings

run(main, IngestSettings, IngestSettings.service)
