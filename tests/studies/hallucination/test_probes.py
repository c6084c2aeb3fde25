"""A probe reads what is planted, for unseen subjects, and nothing where nothing is."""

import pytest
import torch

from helpers import read_network, relation
from helpers.atlas.questions import states, type_ids
from helpers.studies.hallucination.probes import probe_answers, unembedded
from helpers.studies.hallucination.questions import ask_facts


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


def test_the_unembedding_reads_what_is_said(atlas2):
    facts = [fact for fact in relation("person_hometown").facts if fact.exposures == 300][:12]
    table = ask_facts(atlas2, facts, (0, 1))
    first = torch.tensor(table["first"].tolist())
    members = type_ids(atlas2.tokenizer, "person_hometown", table.prompt[0])
    read = unembedded(read_network(atlas2), states(atlas2, table), first, members)
    assert read.shape == (17, 24) and read[-1].mean() >= table.right.mean() > 0.8 > read[0].mean()
