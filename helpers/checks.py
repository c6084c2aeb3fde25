"""What the arguments of public functions may be, checked once at the door: a bad one gets a sentence, never a number.

A function that is `checked` says in its annotations what it takes. The kinds below add what types can't say: that a
count has no fraction, that a rate is finite, that a model is one that `load_model` gave, that pairs are that model's.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, MappingView
from functools import cache, wraps
from inspect import signature
from numbers import Real
from typing import Annotated, Any, TypeVar

import numpy as np
from jaxtyping import jaxtyped
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, validate_call

F = TypeVar("F", bound=Callable)


def _whole(value: object) -> object:
    """Whole numbers of all libraries; truth values and fractions stay what they are, and are refused."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise ValueError(f"has to be a whole number, not {_short(value)}")
    return operator.index(value)


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (Real, np.number)):
        raise ValueError(f"has to be a number, not {_short(value)}")
    return float(value)


def _model(value: object) -> object:
    parts = ("original_model", "tokenizer", "cfg", "blocks")
    if isinstance(value, type) or not all(hasattr(value, part) for part in parts):
        raise ValueError(f"has to be a model that load_model gave, not {_short(value)}")
    if value.training:
        raise ValueError("is in training mode, where dropout makes every run another; call model.eval() first")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Amount = Annotated[Whole, Field(ge=0)]
Count = Annotated[Whole, Field(ge=1)]
Steps = Annotated[Count, Field(le=10_000)]  # of an integral; far fewer are as exact
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Model = Annotated[Any, BeforeValidator(_model)]


def checked(function: F) -> F:
    """Check every annotated argument of a public function before it runs, without changing what a right call does.

    Of a dataclass, it checks the fields whenever one is made.

    Raises:
        ValueError: for an argument of another kind or out of range; the sentence names function, argument and value.
    """
    if isinstance(function, type):
        function.__init__ = checked(function.__init__)
        return function
    name = function.__qualname__.split(".")[-2] if function.__name__ == "__init__" else function.__name__

    @cache  # annotations are read at the first call, when the module is complete
    def validated() -> Callable:
        @wraps(function)
        def bare(*args, **options):
            return function(*args, **options)

        bare.__annotations__ = {k: v for k, v in function.__annotations__.items() if k != "return"}
        return validate_call(bare, config=ConfigDict(arbitrary_types_allowed=True, strict=True))

    @wraps(function)
    def call(*args, **options):
        try:
            given = signature(function).bind(*args, **options).arguments
        except TypeError:
            return function(*args, **options)  # Python itself says best what is missing or too much
        if hasattr(given.get("model"), "tokenizer"):
            for value in given.values():
                if hasattr(value, "check_model"):
                    value.check_model(given["model"])
        args, options = [_plain(value) for value in args], {name: _plain(value) for name, value in options.items()}
        try:
            with jaxtyped("context"):  # names of sizes are of this call, not of a caller that checks them, too
                return validated()(*args, **options)
        except ValidationError as error:
            parts = signature(function).parameters.values()
            places = [part.name for part in parts if part.kind is not part.KEYWORD_ONLY]
            raise ValueError(f"{name}: {_sentence(error, places)}") from None

    return call


def _plain(value: object) -> object:
    """Ranges, views of dicts, and the numbers and columns of numpy and pandas, as Python's own."""
    if isinstance(value, (range, MappingView)):
        return list(value)
    foreign = type(value).__module__.split(".")[0] in ("numpy", "pandas")
    return value.tolist() if foreign and hasattr(value, "tolist") else value


def _sentence(error: ValidationError, names: list[str]) -> str:
    errors = error.errors(include_url=False)
    first = max((e for e in errors if e["loc"][0] == errors[0]["loc"][0]), key=lambda e: len(e["loc"]))
    kinds = [e for e in errors if e["loc"][:-1] == first["loc"][:-1] and e["input"] is first["input"]]
    several = len(kinds) > 1 and isinstance(first["loc"][-1], str)  # no place in a list, but one of several types
    name, *inside = first["loc"][:-1] if several else first["loc"]
    name = names[min(name, len(names) - 1)] if isinstance(name, int) else name  # the last one may be ``*values``
    inside = "".join(f"[{part}]" for part in inside if "[" not in str(part))  # such a part is a type, too
    said = [e["msg"].removeprefix("Value error, ").replace("Input should be ", "").removesuffix(".") for e in kinds]
    if first["type"] == "value_error":
        return f"{name}{inside} {said[0]}"
    said = " or ".join(dict.fromkeys(said))
    verb = "has to be " if first["msg"].startswith("Input should be") else ""
    return f"{name}{inside} {verb}{said}, not {_short(first['input'])}"


def _short(value: object) -> str:
    if hasattr(value, "dtype"):
        return f"{type(value).__name__} of {value.dtype}, shape {tuple(value.shape)}"
    text = f"{value!r} ({type(value).__name__})"
    return text if len(text) <= 80 else f"a {type(value).__name__}"
