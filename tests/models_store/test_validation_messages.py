from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from models_store.validation_messages import describe_errors, format_errors


class Circle(BaseModel, extra="forbid"):
    kind: Literal["circle"] = "circle"
    radius: float


class Square(BaseModel, extra="forbid"):
    kind: Literal["square"] = "square"
    side: float


class Drawing(BaseModel, extra="forbid"):
    title: Annotated[str, Field(max_length=5, pattern="^[a-z]*$")] = ""
    count: Annotated[int, Field(ge=1, lt=9)] = 1
    names: Annotated[tuple[str, ...], Field(max_length=1)] = ()
    first: Annotated[Circle | Square, Field(discriminator="kind")] = Circle(radius=1)
    shapes: tuple[Annotated[Circle | Square, Field(discriminator="kind")], ...] = ()
    unit: Literal["mm", "in"] = Field("mm", alias="in")
    key: str = ""

    @field_validator("count")
    @classmethod
    def _is_not_five(cls, value: int) -> int:
        if value == 5:
            raise ValueError("five is taken")
        return value


def _errors(content: object) -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        Drawing.model_validate(content)
    return raised.value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"count": "abc"}, "count: 'abc' is not a whole number"),
        ({"count": 1.5}, "count: 1.5 is not a whole number"),
        ({"count": [1]}, "count: must be a whole number"),
        ({"count": 0}, "count: must be at least 1, got 0"),
        ({"count": 9}, "count: must be less than 9, got 9"),
        ({"count": 5}, "count: five is taken, got 5"),
        ({"title": 3}, "title: 3 is not text"),
        ({"title": "abcdef"}, "title: must have at most 5 characters"),
        ({"title": "A"}, "title: must match ^[a-z]*$, got 'A'"),
        ({"names": "a"}, "names: 'a' is not a list"),
        ({"names": ["a", "b"]}, "names: must have at most 1 items"),
        ({"in": "ft"}, "in: must be 'mm' or 'in', got 'ft'"),
        ({"cuont": 1}, "unknown field 'cuont'; did you mean 'count'?"),
        ({"i": 1}, "unknown field 'i'; did you mean 'in'?"),
        ({"xyz": 1}, "unknown field 'xyz'; accepted: title, count, names, first, shapes, in, key"),
        ({"first": {"kind": "circle"}}, "first.radius: is missing"),
        (
            {"first": {"kind": "square", "side": 1, "sides": 1}},
            "first: unknown field 'sides'; did you mean 'side'?",
        ),
        ({"first": {"kind": "sqare"}}, "first: unknown kind 'sqare'; did you mean 'square'?"),
        ({"first": {"kind": "dot"}}, "first: unknown kind 'dot'; accepted: circle, square"),
        ({"shapes": [{"kind": "circle", "radius": "r"}]}, "shapes.0.radius: 'r' is not a number"),
        ([], "must be an object"),
        ({"count": 0, "title": 1}, "title: 1 is not text; count: must be at least 1, got 0"),
    ],
)
def test_errors_name_the_field_the_value_and_what_is_accepted(
    content: object, message: str
) -> None:
    assert format_errors(_errors(content), Drawing) == message


def test_long_values_are_truncated_and_secret_ones_not_shown() -> None:
    errors = _errors({"key": 12345, "count": "9" * 1000 + "x"}).errors()
    count, key = sorted(describe_errors(errors, Drawing, secret=["key"]), key=lambda m: m.path)
    assert len(count.text) < 120
    assert (key.text, key.received) == ("must be text", None)


def test_number_of_messages_is_bounded() -> None:
    errors = _errors({f"x{index}": 0 for index in range(1000)}).errors()
    assert len(describe_errors(errors, Drawing)) == 16
