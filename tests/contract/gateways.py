"""The contract of gateways: lives, names, tokens, what is refused."""

import uuid

from tests.contract.places import Service, misfits, refusal


class Gateways:
    """Gateways, tags and lists."""

    async def test_r0_a_gateway_goes_from_creating_to_ready_to_gone(self, service: Service):
        gateway_id = await service.gateway()
        assert (await service.client.get_gateway(gatewayIdentifier=gateway_id))["status"] == "CREATING"
        shown = await service.rest(service.client.get_gateway, gatewayIdentifier=gateway_id)
        assert shown["status"] == "READY"
        assert shown["gatewayId"] == gateway_id
        assert shown["gatewayUrl"].startswith("https://")
        deleted = await service.client.delete_gateway(gatewayIdentifier=gateway_id)
        assert deleted["status"] == "DELETING"
        await service.gone(service.client.get_gateway, gatewayIdentifier=gateway_id)

    async def test_r0_a_gateway_needs_no_protocol_type(self, service: Service):
        shape = {name: value for name, value in service.shape().items() if name != "protocolType"}
        made = await service.client.create_gateway(**shape)
        assert "protocolType" not in made

    async def test_r0_a_gateway_is_shown_as_the_model_says(self, service: Service):
        client, made = service.client, await service.client.create_gateway(**service.shape())
        assert misfits("CreateGateway", made) == []
        assert misfits("GetGateway", await client.get_gateway(gatewayIdentifier=made["gatewayId"])) == []
        assert misfits("ListGateways", await client.list_gateways()) == []

    async def test_r0_a_name_is_taken_once_and_free_when_its_bearer_is_gone(self, service: Service):
        gateway_id = await service.ready_gateway()
        code, message = await refusal(service.gateway())
        assert (code, "already exists" in message) == ("ConflictException", True)
        await service.client.delete_gateway(gatewayIdentifier=gateway_id)
        await service.gone(service.client.get_gateway, gatewayIdentifier=gateway_id)
        assert await service.gateway() != gateway_id

    async def test_r0_a_token_answers_the_repeat_and_refuses_another_request(self, service: Service):
        token = uuid.uuid4().hex + "-token"
        first = await service.gateway(clientToken=token)
        assert await service.gateway(clientToken=token) == first
        code, _ = await refusal(service.gateway(clientToken=token, description="another"))
        assert code in ("ValidationException", "ConflictException")

    async def test_r0_a_gateway_in_transition_takes_no_change(self, service: Service):
        gateway_id = await service.gateway()
        shape = service.shape()
        address = {"gatewayIdentifier": gateway_id}
        for change in (
            lambda: service.client.update_gateway(**address, **shape),
            lambda: service.client.delete_gateway(**address),
            lambda: service.target(gateway_id),
        ):
            code, message = await refusal(change())
            assert code in ("ValidationException", "ConflictException")
            assert "CREATING" in message

    async def test_r0_an_update_replaces_and_keeps_name_and_authorizer(self, service: Service):
        gateway_id = await service.ready_gateway(description="before")
        shape = service.shape()
        updated = await service.client.update_gateway(gatewayIdentifier=gateway_id, description="after", **shape)
        assert updated["status"] == "UPDATING"
        shown = await service.rest(service.client.get_gateway, gatewayIdentifier=gateway_id)
        assert (shown["status"], shown["description"]) == ("READY", "after")
        for other in ({"name": service.name("other")}, {"authorizerType": "NONE"}):
            update = service.client.update_gateway(gatewayIdentifier=gateway_id, **{**shape, **other})
            assert (await refusal(update))[0] == "ValidationException"

    async def test_r0_a_gateway_with_targets_is_not_deleted(self, service: Service):
        gateway_id = await service.ready_gateway()
        target_id = await service.target(gateway_id)
        address = {"gatewayIdentifier": gateway_id, "targetId": target_id}
        for _ in range(2):
            code, message = await refusal(service.client.delete_gateway(gatewayIdentifier=gateway_id))
            assert (code, "has targets associated with it" in message) == ("ValidationException", True)
            await service.target_at_rest(gateway_id, target_id)
        await service.client.delete_gateway_target(**address)
        await service.gone(service.client.get_gateway_target, **address)
        await service.client.delete_gateway(gatewayIdentifier=gateway_id)

    async def test_r0_what_is_not_there_is_not_found(self, service: Service):
        nothing, target_id = f"{service.prefix}-0123456789", "AbCdEfGhI0"
        client, address = service.client, {"gatewayIdentifier": nothing}
        for call in (
            client.get_gateway(**address),
            client.delete_gateway(**address),
            client.list_gateway_targets(**address),
            client.get_gateway_target(**address, targetId=target_id),
            client.delete_gateway_target(**address, targetId=target_id),
        ):
            assert (await refusal(call))[0] == "ResourceNotFoundException"

    async def test_r0_a_request_is_checked(self, service: Service):
        wrong = service.client.create_gateway(
            **service.shape() | {"name": "a--b", "roleArn": "x", "authorizerType": "SOME"}
        )
        assert (await refusal(wrong))[0] == "ValidationException"
        lacking = service.client.create_gateway(**service.shape(authorizerType="CUSTOM_JWT"))
        assert (await refusal(lacking))[0] == "ValidationException"

    async def test_r0_tags_are_set_added_and_taken_off(self, service: Service):
        gateway_id = await service.ready_gateway(tags={"team": "payments"})
        arn = (await service.client.get_gateway(gatewayIdentifier=gateway_id))["gatewayArn"]
        await service.client.tag_resource(resourceArn=arn, tags={"cost": "7", "team": "ledger"})
        assert (await service.client.list_tags_for_resource(resourceArn=arn))["tags"] == {"team": "ledger", "cost": "7"}
        await service.client.untag_resource(resourceArn=arn, tagKeys=["team", "never"])
        assert (await service.client.list_tags_for_resource(resourceArn=arn))["tags"] == {"cost": "7"}

    async def test_r0_a_list_pages_through_everything_once(self, service: Service):
        made = {await service.gateway(f"g{number}") for number in range(5)}
        seen: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = await service.client.list_gateways(maxResults=2, **token)
            assert len(page["items"]) <= 2
            seen += [one["gatewayId"] for one in page["items"]]
            if not page.get("nextToken"):
                break
            token = {"nextToken": page["nextToken"]}
        assert len(seen) == len(set(seen))
        assert made <= set(seen)
