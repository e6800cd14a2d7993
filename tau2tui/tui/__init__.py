"""Front end 2: keys."""
