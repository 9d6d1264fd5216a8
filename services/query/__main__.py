"""`python -m services.query`"""

from mesh.process import run
from services.query.app import main
from services.query.settings import QuerySettings

run(main, QuerySettings, QuerySettings.service)
