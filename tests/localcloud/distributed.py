"""What moto's Distributed Map lacks: tolerated failures, the ResultWriter's files, and its JSONata Arguments.

Not faithful: the threshold is looked at when all items are done; child executions are not listed, and their context
object has the parent's Execution; ItemBatcher and JSONL readers stay unsupported; without a ResultWriter the result
of a failed item is null.
"""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from moto.stepfunctions.parser.api import HistoryEventType, MapRunFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.parargs import Parargs
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    distributed_iteration_component as iteration,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as worker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval import resource_eval_s3
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.result_writer_decl import ResultWriter
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import Resource
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor

from tests.localcloud.members import replace

_Component = iteration.DistributedIterationComponent
_Worker = worker.DistributedItemProcessorWorker
_map_run = _Component._map_run
_eval_job = _Worker._eval_job
_visit_writer = Preprocessor.visitResult_writer_decl


def install() -> None:
    """Patch the interpreter's Distributed Map; doing it twice is the same as doing it once."""
    replace(_Component, _map_run=_run_within_tolerance)
    replace(_Worker, _eval_job=_remember_job)
    replace(resource_eval_s3.ResourceEvalS3, _handle_put_object=staticmethod(_write_results))
    replace(Preprocessor, visitResult_writer_decl=_visit_result_writer)


def adapted(definition: str) -> str:
    """A definition that moto's grammar accepts: it wants Parameters in a ResultWriter and a percentage as a float."""
    return json.dumps(_adapted(json.loads(definition)), ensure_ascii=False)


def _adapted(value: Any) -> Any:
    if isinstance(value, list):
        return [_adapted(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {name: _adapted(one) for name, one in value.items()}
    writer = made.get("ResultWriter")
    if isinstance(writer, dict) and "Arguments" in writer:
        writer["Parameters"] = writer.pop("Arguments")
    if isinstance(made.get("ToleratedFailurePercentage"), int):
        made["ToleratedFailurePercentage"] = float(made["ToleratedFailurePercentage"])
    return made


class _Arguments(EvalComponent):
    """A flat object, each text of which may be a JSONata expression."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def _eval_body(self, env: Any) -> None:
        env.stack.append({name: self._value(env, one) for name, one in self._values.items()})

    def _value(self, env: Any, value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith("{%"):
            return value
        StringJSONata(value[2:-2].strip()).eval(env=env)
        return env.stack.pop()


def _visit_result_writer(preprocessor: Preprocessor, ctx: Any) -> ResultWriter:
    written = json.loads("{" + ctx.getText() + "}")["ResultWriter"]
    if any(name.endswith(".$") for name in written["Parameters"]):
        return _visit_writer(preprocessor, ctx)
    return ResultWriter(Resource.from_resource_arn(written["Resource"]), Parargs(_Arguments(written["Parameters"])))


def _run_within_tolerance(component: Any, env: Any, eval_input: Any) -> None:
    record = eval_input.map_run_record
    record.results = []
    _map_run(component, env, eval_input)
    failed = sum(one["Status"] != "SUCCEEDED" for one in record.results)
    count, percentage = eval_input.tolerated_failure_count, eval_input.tolerated_failure_percentage
    too_many = failed > count if count or not percentage else False
    too_much = failed * 100 > percentage * len(record.results) if percentage else False
    if too_many or too_much:
        raise FailureEventException(_exceeded(env))


def _exceeded(env: Any) -> FailureEvent:
    name = StatesErrorName(typ=StatesErrorNameType.StatesExceedToleratedFailureThreshold)
    cause = "The specified tolerated failure threshold was exceeded"
    details = MapRunFailedEventDetails(error=name.error_name, cause=cause)
    return FailureEvent(
        env=env,
        error_name=name,
        event_type=HistoryEventType.MapRunFailed,
        # moto's type demands the details of every kind of event; an event has those of one.
        event_details=EventDetails(mapRunFailedEventDetails=details),  # type: ignore[typeddict-item]
    )


def _remember_job(this: Any, env: Any, job: Any) -> None:
    start = datetime.now(UTC).isoformat()
    _eval_job(this, env, job)
    state, record = env.program_state(), this._map_run_record
    name = str(uuid.uuid4())
    result = {
        "ExecutionArn": f"{record.map_state_machine_arn}:{name}".replace(":stateMachine:", ":execution:"),
        "Input": json.dumps(job.job_input),
        "InputDetails": {"Included": True},
        "Name": name,
        "StartDate": start,
        "StateMachineArn": record.map_state_machine_arn,
        "StopDate": datetime.now(UTC).isoformat(),
    }
    if isinstance(state, ProgramError):
        assert state.error is not None
        result |= {"Status": "FAILED", "Error": state.error.get("error"), "Cause": state.error.get("cause")}
    else:
        result |= {"Status": "SUCCEEDED", "Output": json.dumps(job.job_output), "OutputDetails": {"Included": True}}
    record.results.append(result)


def _write_results(env: Any, resource_runtime_part: Any, state_credentials: Any) -> None:
    """Write the results of the newest map run, and the manifest that names the files."""
    parameters = env.stack.pop()
    env.stack.pop()
    record = max(env.map_run_record_pool_manager.get_all(), key=lambda one: one.start_date)
    clients: Any = resource_eval_s3  # whose own name for it was replaced
    client = clients.boto_client_for(service="s3", region=resource_runtime_part.region)
    bucket, run = parameters["Bucket"], record.map_run_arn.split(":")[-1]
    folder = "/".join(part for part in (parameters.get("Prefix", "").rstrip("/"), run) if part)
    files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status, written in files.items():
        results = [one for one in record.results if one["Status"] == status]
        if results:
            body = json.dumps(results).encode()
            client.put_object(Bucket=bucket, Key=f"{folder}/{status}_0.json", Body=body)
            written.append({"Key": f"{folder}/{status}_0.json", "Size": len(body)})
    manifest = {"DestinationBucket": bucket, "MapRunArn": record.map_run_arn, "ResultFiles": files}
    client.put_object(Bucket=bucket, Key=f"{folder}/manifest.json", Body=json.dumps(manifest).encode())
    details = {"Bucket": bucket, "Key": f"{folder}/manifest.json"}
    env.stack.append({"MapRunArn": record.map_run_arn, "ResultWriterDetails": details})
