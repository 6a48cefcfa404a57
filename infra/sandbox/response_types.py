"""The types of responses as the sandbox returns them: every member of the service model and no other."""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from botocore.model import StructureShape
from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from infra.service_model import CONTROL_PLANE, Fault, RequestTypes, is_union, operation, service

_NOTHING = StructureShape("Nothing", {"type": "structure", "members": {}})


class ResponseTypes(RequestTypes):
    """Types of responses, as an SDK returns them: times are datetimes, and the schema itself checks unions."""

    scalars: ClassVar[Mapping[str, CoreSchema]] = {"timestamp": core_schema.datetime_schema(strict=True)}

    def closed(self, shape: StructureShape, built: CoreSchema) -> CoreSchema:
        """Return the definition of a structure; a union must have exactly one member."""
        if not is_union(shape):
            return built
        one = core_schema.dict_schema(min_length=1, max_length=1)
        return core_schema.chain_schema([one, {**built, "ref": f"{shape.name} one"}], ref=shape.name)


class ResponseType:
    """The type of a response, compiled into a single schema: fast enough for every response in a test suite."""

    def __init__(self, shape: StructureShape) -> None:
        types = ResponseTypes()
        schema = types.finish(types.structure(shape.members, shape.required_members))
        self._validator = SchemaValidator(schema, core_schema.CoreConfig(hide_input_in_errors=True))

    def faults(self, value: Mapping[str, Any]) -> list[Fault]:
        """Return every fault of a response."""
        try:
            self._validator.validate_python(value)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            return [Fault(one["loc"], one["type"], one["msg"]) for one in found]
        return []


@cache
def output_type(operation_name: str, service_name: str = CONTROL_PLANE) -> ResponseType:
    """Return the type of an operation's whole response."""
    shape = operation(operation_name, service_name).output_shape
    return ResponseType(shape if shape is not None else _NOTHING)


@cache
def error_type(code: str, service_name: str = CONTROL_PLANE) -> ResponseType:
    """Return the type of an error response in the model of a service."""
    return ResponseType(service(service_name).shape_for(code))
