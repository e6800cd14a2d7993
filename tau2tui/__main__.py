"""Lets `python -m tau2tui` do what the command `tau2tui` does, for a cluster without an installed script."""

from tau2tui.cli import main

if __name__ == "__main__":
    main()
