"""The models of the chapter."""

import pytest

from helpers import load_model


@pytest.fixture(scope="session")
def smollm2():
    return load_model("smollm2", device="cpu")
