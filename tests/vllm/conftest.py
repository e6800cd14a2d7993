"""The tiny model, made once. A vLLM that is missing fails its tests: skipped in silence they would prove nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vllm.serving import PROGRAM, environment, make_model


@pytest.fixture(scope="session")
def vllm_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the model, in which everything stays; commands that run meanwhile have its environment."""
    if not PROGRAM.exists():
        pytest.fail(f"there is no {PROGRAM}: run scripts/setup-vllm", pytrace=False)
    directory = tmp_path_factory.mktemp("vllm")
    make_model(directory / "model")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(directory).items():
            patch.setenv(name, value)
        yield directory
