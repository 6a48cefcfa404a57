"""Mutants of the doors: queues, the bus, the state machine, dead letters."""

from tests.mutants.mutant import Mutant

_SQS = "handlers/sqs.py"
_MESSAGES = "handlers/messages.py"
_BURIED = "workflows/dead_letters.py"
_LANES = ("tests/intake/test_lanes.py",)
_FIFO = "tests/intake/test_batches.py::test_r8_every_pattern_of_poison_in_a_batch_of_a_fifo_queue"
_OPERATING = "tests/operating/test_operating.py"
_QUEUE = ("tests/intake/test_queue.py",)

MUTANTS = (
    Mutant("sqs-any-again", "a message of a standard queue waits for one of its stack that comes again", _SQS,
           "if (again and taken.group) or await", "if again or await", _LANES, goal="R8"),
    Mutant("sqs-lane-queue", "groups of one name in two queues are one group", _SQS,
           'return "group", text_of(self.record, "eventSourceARN"), self.group', 'return "group", self.group', _LANES,
           goal="R8"),
    Mutant("sqs-unknown-event", "an event of an unknown form is answered, and its messages are lost", _SQS,
           "        return found\n    raise NotARequest(",
           "        return found\n    return []\n    raise NotARequest(",
           ("tests/intake/test_batches.py::test_r8_an_event_of_an_unknown_form_is_an_error",), goal="R8"),
    Mutant("sqs-contextvars", "log lines name the stack of the message before", _SQS,
           "    structlog.contextvars.clear_contextvars()\n", "", _LANES),
    Mutant("sqs-handover-swallow", "a request that cannot be handed over is lost", _SQS,
           '        return f"{failed.operation}: {failed.code}"\n', '        return ""\n', _LANES, goal="R8"),
    Mutant("sqs-unfinished-done", "a request that is under way is taken out of the queue", _SQS,
           'return "InProgress" if outcome', 'return "" if outcome', _QUEUE, goal="R8"),
    Mutant("sqs-raised-done", "a message whose run raised is taken out of the queue", _SQS,
           '        return type(error).__name__\n    return "InProgress"', '        return ""\n    return "InProgress"',
           (*_LANES, "tests/intake/test_batches.py::test_r8_runs_that_are_ready_raise_or_take_long_in_one_batch"),
           goal="R8"),
    Mutant("sqs-batch-lost", "a batch that no worker can take is taken out of the queue", _SQS,
           '        again = [record["messageId"] for record in records if _is_message(record)]\n',
           "        again = []\n",
          ("tests/intake/test_batches.py::test_r8_trouble_outside_a_message_brings_the_whole_batch_again",), goal="R8"),
    Mutant("fifo-overtakes", "a message overtakes the one before it in its group", _SQS,
           "is_fifo = text_of", "is_fifo = not text_of",
           (f"{_FIFO}[0-no dead-letter queue]",), goal="R8"),
    Mutant("bus-anywhere", "what a message says of its account and source is believed in every queue", _MESSAGES,
           "if bus_queue and queue == bus_queue:", "if bus_queue:",
           ("tests/authority/test_authority.py::test_who_may_not_ask_is_refused",)),
    Mutant("names-twice", "of a name that stands twice in a message the last value counts", _MESSAGES,
           "    if len(made) != len(pairs):", "    if not pairs and made:", _QUEUE, goal="R20"),
    Mutant("unsettled-swallowed", "an event whose request is under way is not delivered again",
           "handlers/eventbridge.py",
           "if outcome.status is Status.IN_PROGRESS and not handed_over:", "if handed_over and not request:",
           ("tests/doors/test_doors.py::test_what_is_not_settled_is_delivered_again",)),
    Mutant("turn-is-a-request", "every turn of a state machine's loop is a request of its own",
           "handlers/step_functions.py", "        if not default_id and not request_id_of",
           "        if default_id and not request_id_of",
           ("tests/doors/test_doors.py::test_a_task_whose_own_id_is_none_is_no_request",)),
    Mutant("no-margin", "a function works up to the moment at which it is ended", "handlers/environment.py",
           "max(0.0, remaining - MARGIN)", "max(0.0, remaining)",
           ("tests/deadlines/test_margin.py",)),
    Mutant("buried-early", "a message that may pass goes to the dead-letter queue at its first failure", _BURIED,
           "deliveries >= context.settings.deliveries", "deliveries >= 1",
           (f"{_FIFO}[0-a dead-letter queue]",), goal="R8"),
    Mutant("letter-lost", "a dead letter is taken out before it was sent again", _BURIED,
           '    await calls("SendMessage", {"QueueUrl": queue, "MessageBody": letter.again}, service="sqs")\n'
           '    await calls("DeleteMessage", {"QueueUrl": dead, "ReceiptHandle": letter.receipt}, service="sqs")\n',
           '    await calls("DeleteMessage", {"QueueUrl": dead, "ReceiptHandle": letter.receipt}, service="sqs")\n'
           '    await calls("SendMessage", {"QueueUrl": queue, "MessageBody": letter.again}, service="sqs")\n',
           ("tests/operating/test_letters.py",)),
    Mutant("letter-anew", "a dead letter that is sent again is another request", _BURIED,
           '"requestId": self.message_id}', '"requestId": ""}',
           (f"{_OPERATING}::test_r5_a_dead_letter_that_is_sent_again_later_brings_nothing_old_back",), goal="R5"),
    Mutant("another-s-execution", "a request is not gone on with where another's execution has its name",
           "workflows/executions.py", ' or json.loads(found["input"]) != given:', ":",
           ("tests/handing_over/test_handover.py",)),
)  # fmt: skip
