"""CloudFormation's intrinsic functions, conditions and pseudo parameters, resolved against one stack.

Not faithful: only the functions below are known (others are refused), and dynamic references are left as they are.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "123456789012"
_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")
_NOTHING = object()


@dataclass(frozen=True)
class Resource:
    """A created resource: what Ref gives, what GetAtt gives, and the resolved properties it was made from."""

    physical_id: str
    attributes: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The ARN; some types are referred to by it already."""
        return self.attributes.get("Arn", self.physical_id)


def partition_of(region: str) -> str:
    """The partition that a Region is in."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")


class Resolver:
    """Resolves values of one template; `resource` gives, and makes if need be, the resource of a logical id."""

    def __init__(
        self,
        template: dict[str, Any],
        parameters: dict[str, str],
        stack: str,
        region: str,
        resource: Callable[[str], Resource],
    ) -> None:
        self._template, self._resource = template, resource
        partition = partition_of(region)
        self._known: dict[str, Any] = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": region,
            "AWS::Partition": partition,
            "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
            "AWS::StackName": stack,
            "AWS::StackId": f"arn:{partition}:cloudformation:{region}:{ACCOUNT}:stack/{stack}/local",
            "AWS::NotificationARNs": [],
            "AWS::NoValue": _NOTHING,
        }
        for name, value in parameters.items():
            kind = template["Parameters"][name]["Type"]
            self._known[name] = str(value).split(",") if "List" in kind else str(value)

    def holds(self, condition: str) -> bool:
        """Whether a named condition is true."""
        return bool(self.resolve(self._template["Conditions"][condition]))

    def wanted(self, declaration: dict[str, Any]) -> bool:
        """Whether a resource or an output is to be made."""
        return "Condition" not in declaration or self.holds(declaration["Condition"])

    def resolve(self, value: Any) -> Any:
        """The value with every intrinsic function replaced by its result."""
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            function = getattr(self, "_" + name.removeprefix("Fn::").lower(), None)
            if function and (name in {"Ref", "Condition"} or name.startswith("Fn::")):
                return function(argument)
            if name.startswith("Fn::"):
                raise NotImplementedError(name)
        resolved = {name: self.resolve(one) for name, one in value.items()}
        return {name: one for name, one in resolved.items() if one is not _NOTHING}

    def _ref(self, name: str) -> Any:
        return self._known[name] if name in self._known else self._resource(name).physical_id

    def _getatt(self, argument: Any) -> str:
        name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        return self._resource(name).attributes.get(attribute, f"{name}.{attribute}")

    def _sub(self, argument: Any) -> str:
        text, local = argument if isinstance(argument, list) else (argument, {})
        given = {name: str(self.resolve(value)) for name, value in local.items()}

        def replaced(match: re.Match[str]) -> str:
            if match[1]:
                return "${" + match[2] + "}"
            name = match[2].strip()
            if name in given:
                return given[name]
            return str(self._getatt(name) if "." in name else self._ref(name))

        return _PLACEHOLDER.sub(replaced, text)

    def _if(self, argument: list[Any]) -> Any:
        condition, yes, no = argument
        return self.resolve(yes if self.holds(condition) else no)

    def _join(self, argument: list[Any]) -> str:
        return str(argument[0]).join(map(str, self.resolve(argument[1])))

    def _select(self, argument: list[Any]) -> Any:
        return self.resolve(argument[1])[int(argument[0])]

    def _condition(self, argument: Any) -> Any:
        # In IAM statements "Condition" is an ordinary member.
        return self.holds(argument) if isinstance(argument, str) else {"Condition": self.resolve(argument)}

    def _equals(self, argument: list[Any]) -> bool:
        left, right = map(self.resolve, argument)
        return bool(left == right)

    def _not(self, argument: list[Any]) -> bool:
        return not self.resolve(argument[0])

    def _and(self, argument: list[Any]) -> bool:
        return all(map(self.resolve, argument))

    def _or(self, argument: list[Any]) -> bool:
        return any(map(self.resolve, argument))
