"""Reading and writing over a shell: each module is argv, a parser, and the call that joins them."""
