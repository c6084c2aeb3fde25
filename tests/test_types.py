"""What every forward pass calls is called too often to check its types in all tests: it is checked here, by itself."""

import subprocess
import sys
from pathlib import Path

HOT = [
    f"helpers.{name}" for name in "models.network models.predict models.run prompts.pairs searches statistics".split()
]
HOT += [f"helpers.circuits.{name}" for name in "ablation evaluation gradients graph incremental metrics scores".split()]
HOT += ["helpers.components.heads", "helpers.components.lens", "helpers.prompts.facts"]
CODE = f"""
from jaxtyping import TypeCheckError, install_import_hook
install_import_hook({HOT}, "beartype.beartype")
import sys, tempfile
from pathlib import Path
from small_models import random_model
from helpers import acdc, classify_heads, completeness, cpr_cmd, eap_ig, edge_pruning, exact_scores, faithfulness, kl
from helpers import relation_pairs, run_circuit
from helpers.components.lens import lens_logits
from helpers.models.network import read_network
for shape in ("gpt2", "llama"):
    model = random_model(shape, Path(tempfile.mkdtemp()))
    pairs = relation_pairs(model, "country_capital", 3, known=False)
    circuits = [acdc(model, pairs, tau=0.5), eap_ig(model, pairs).top(9), exact_scores(model, pairs).top(9)]
    circuits.append(edge_pruning(model, pairs, n_edges=9, steps=2).top(9))
    assert len(classify_heads(model, pairs)) == 8
    assert lens_logits(read_network(model), pairs.clean_logits(model)[:, :32]).shape == pairs.clean_logits(model).shape
    assert completeness(model, circuits[0], pairs) < 2 and len(cpr_cmd(model, eap_ig(model, pairs), pairs, kl).table)
    for ablation in ("corrupt", "zero", "mean"):
        assert all(faithfulness(model, c, pairs, kl, ablation=ablation).low < 2 for c in circuits)
        assert all(run_circuit(model, c, pairs, ablation).shape == pairs.clean_logits(model).shape for c in circuits)
    try:
        read_network(model).embed("not tokens")
    except TypeCheckError:
        print("checked", shape)
"""


def test_shapes_and_types_of_what_is_called_most_often():
    run = subprocess.run(
        [sys.executable, "-c", CODE], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0 and run.stdout.split("\n")[:2] == ["checked gpt2", "checked llama"], run.stderr[-3000:]
