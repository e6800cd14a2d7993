"""What runs on a compute node: one file that needs nothing but Python 3.8."""
