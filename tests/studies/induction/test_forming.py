"""The log of how induction forms: steps that the package ships give the same row, and the log says when."""

import pytest

from helpers.models.load import checkpoints, load_model
from helpers.studies.induction.forming import LOGGED, RUN, formed_row
from helpers.studies.tables import read_table


@pytest.fixture(scope="module")
def log():
    return read_table("induction_forming").set_index("step")


def test_every_step_is_there(log):
    assert list(log.index) == list(LOGGED)
    assert (log[["copied", "previous", "induction"]] <= 1).all().all()
    assert (0 <= log.low).all() and (log.low <= log.copied).all() and (log.copied <= log.high).all()


@pytest.mark.parametrize("step", sorted(set(LOGGED) & set(checkpoints(RUN))))
def test_a_shipped_checkpoint_is_a_step_of_the_logged_run(log, step):
    row = formed_row(load_model(checkpoints(RUN)[step]))
    for column, value in row.items():
        kept = log[column][step]
        assert kept == (value if isinstance(value, str) else pytest.approx(value, abs=0.02)), column
