"""Real help texts of `vllm serve`, and the program that makes the shipped list of what each version accepts."""
