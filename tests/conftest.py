"""Shapes and types in signatures are checked while the tests run."""

from jaxtyping import install_import_hook

install_import_hook(
    ["helpers.optimizer", "helpers.predict", "helpers.training", "helpers.abilities"], "beartype.beartype"
)
