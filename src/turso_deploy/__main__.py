"""`python -m turso_deploy`: the same as the command `turso-deploy`."""

import sys

from turso_deploy.cli.main import main

sys.exit(main())
