"""vLLM itself, on a CPU, with a model that is made for the tests."""
