"""JSONata for moto's Step Functions interpreter, which on its own has no evaluator (it wants a Java library).

Values are bound as data, not as program text, so strings need no escaping and nulls stay nulls. $millis and $now are
fixed within one expression, as JSONata says.
"""

import json
import uuid
from collections.abc import Callable
from typing import Any

from jsonata import jsonata
from jsonata.utils import Utils
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.intrinsic import jsonata as intrinsic
from moto.stepfunctions.parser.asl.eval import states, variable_store
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.jsonata import jsonata as bridge
from moto.stepfunctions.parser.asl.parse import preprocessor

from tests.localcloud.members import replace


def install() -> None:
    """Give the interpreter an evaluator; doing it twice is the same as doing it once."""
    bridge._eval_jsonata = evaluate
    for module in (bridge, states, variable_store):
        replace(module, encode_jsonata_variable_declarations=_declare)
    intrinsic._DECLARATION_BY_VARIABLE_REFERENCE.pop("$uuid", None)
    replace(preprocessor, from_string_literal=_literal)
    replace(preprocessor.Preprocessor, _inner_string_of=staticmethod(_literal))
    if not hasattr(StringJSONata, "stock_eval_body"):
        replace(StringJSONata, stock_eval_body=StringJSONata._eval_body, _eval_body=_eval_or_fail)


def evaluate(expression: str) -> Any:
    """The value of an expression; undefined is None, as the interpreter expects."""
    try:
        compiled = jsonata.Jsonata(expression)
        for name, function in _FUNCTIONS.items():
            compiled.register_lambda(name, function)
        return _plain(compiled.evaluate(None))
    except Exception as error:
        raise bridge.JSONataException("UNKNOWN", str(error)) from error


def _literal(parser_rule_context: Any) -> str | None:
    """A string of the definition as JSON means it; moto leaves escapes in some places as they are written."""
    text = parser_rule_context.getText()
    if text == "null":
        return None
    return str(json.loads(text, strict=False)) if text.startswith('"') else str(text)


def _declare(bindings: dict[str, Any]) -> str:
    """The assignments of variables: each value is one JSON string, which is parsed when it is evaluated."""
    quoted = {name: json.dumps(json.dumps(value, default=str), ensure_ascii=False) for name, value in bindings.items()}
    return "".join(f"{name}:=$__data({text});" for name, text in quoted.items())


def _eval_or_fail(expression: Any, env: Any) -> None:
    """An expression that cannot be evaluated is States.QueryEvaluationError, which Catch can name."""
    try:
        expression.stock_eval_body(env)
    except bridge.JSONataException as error:
        cause = f"The JSONata expression '{expression.expression}' failed: {error.details}"
        raise FailureEventException(_evaluation_failed(env, cause)) from error


def _evaluation_failed(env: Any, cause: str) -> FailureEvent:
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = EvaluationFailedEventDetails(cause=cause, error=name.error_name)
    return FailureEvent(
        env=env,
        error_name=name,
        event_type=HistoryEventType.EvaluationFailed,
        # moto's type demands the details of every kind of event; an event has those of one.
        event_details=EventDetails(evaluationFailedEventDetails=details),  # type: ignore[typeddict-item]
    )


def _data(text: str) -> Any:
    """Parsed JSON in the library's terms, where None is undefined and null is a value of its own."""
    return _with_nulls(json.loads(text))


def _with_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_nulls(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_nulls(one) for one in value]
    return Utils.NULL_VALUE if value is None else value


def _plain(value: Any) -> Any:
    """A result as plain JSON data: the library's lists and nulls are types of its own."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(value[index]) for index in range(len(value))]
    return None if value is Utils.NULL_VALUE else value


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "__data": _data,
    "uuid": lambda: str(uuid.uuid4()),
}
