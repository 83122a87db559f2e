"""Forms as the API's models: the same rules for both, and faults in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from certctl.web.api.problems import ApiRefused

Model = TypeVar("Model", bound=BaseModel)


def filled(model: type[Model], fields: Mapping[str, object]) -> Model:
    """A model out of the fields that were filled in.

    Raises:
        ApiRefused: what was filled in cannot be used; says which field.
    """
    given = {name: value for name, value in fields.items() if value not in ("", None)}
    try:
        return model.model_validate(given)
    except ValidationError as err:
        faults = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'form'}: {each['msg']}"
            for each in err.errors()[:5]
        )
        raise ApiRefused(
            422, "The form cannot be used.", rule=faults, remedy="Go back and mend it."
        ) from None
