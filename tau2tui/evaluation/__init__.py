"""The tau2-bench run, as a process of its own that outlives the screen."""

import os

# Importing tau2 would fetch a price list from the network, print log lines, and load the first `.env` that it finds
# above its own directory into the environment. Each library has a switch for that, which must be set before its import.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("LOGURU_AUTOINIT", "False")
os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")
