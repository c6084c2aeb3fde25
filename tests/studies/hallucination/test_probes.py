"""A probe reads what is planted, for unseen subjects, and nothing where nothing is."""

import pytest
import torch

from helpers.studies.hallucination.probes import probe_answers


def planted(seed=0):
    generator = torch.Generator().manual_seed(seed)
    subjects = [f"s{i}" for i in range(40) for _ in range(2)]
    answers = [f"a{i % 4}" for i in range(40) for _ in range(2)]
    noise = torch.randn(80, 6, generator=generator)
    means = 6 * torch.eye(6)[[int(a[1]) for a in answers]]
    who = torch.randn(40, 6, generator=generator).repeat_interleave(2, 0) * 9  # says who it is, and nothing else
    return torch.stack((noise + means, noise + who)), answers, subjects


def test_planted_answers_are_read_for_new_subjects():
    table = probe_answers(*planted())
    read = table.groupby("stop")[["right", "control"]].mean()
    assert read.right[0] > 0.95 and read.control[0] < 0.5
    assert read.right[1] < 0.5, "knowing the subject is no help for new ones"
    assert len(table) == 160 and table.equals(probe_answers(*planted()))


def test_too_few_subjects():
    with pytest.raises(ValueError, match="3 subjects can't be cut"):
        probe_answers(torch.zeros(1, 3, 2), list("abc"), list("xyz"))
