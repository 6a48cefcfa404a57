"""The contract of gateway targets: lives, places, synchronization, consent."""

from typing import Any

from tests.contract.places import Service, misfits, refusal

LAMBDA = {
    "mcp": {
        "lambda": {
            "lambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:x",
            "toolSchema": {"inlinePayload": []},
        }
    }
}


async def consenting(service: Service) -> list[dict[str, Any]]:
    """Return credentials that a person must consent to."""
    made = await service.client.create_oauth2_credential_provider(**provider(service.name("idp")))
    grant = {
        "providerArn": made["credentialProviderArn"],
        "scopes": ["openid"],
        "grantType": "AUTHORIZATION_CODE",
        "defaultReturnUrl": "https://app.example.com/return",
    }
    await service.rest(service.client.get_oauth2_credential_provider, name=service.name("idp"))
    return [{"credentialProviderType": "OAUTH", "credentialProvider": {"oauthCredentialProvider": grant}}]


def provider(name: str, **more: Any) -> dict[str, Any]:
    config = {"clientId": "me", "clientSecret": "never shown", **more}
    return {
        "name": name,
        "credentialProviderVendor": "GoogleOauth2",
        "oauth2ProviderConfigInput": {"googleOauth2ProviderConfig": config},
    }


class Targets:
    """Gateway targets."""

    async def test_r0_a_target_lives(self, service: Service):
        gateway_id = await service.ready_gateway()
        target_id = await service.target(gateway_id)
        address = {"gatewayIdentifier": gateway_id, "targetId": target_id}
        assert (await service.client.get_gateway_target(**address))["status"] in ("CREATING", "SYNCHRONIZING")
        shown = await service.target_at_rest(gateway_id, target_id)
        assert shown["status"] == "READY"
        assert shown["lastSynchronizedAt"] >= shown["createdAt"]
        update = {"name": "t", "targetConfiguration": service.mcp(), "description": "after"}
        assert (await service.client.update_gateway_target(**address, **update))["status"] == "UPDATING"
        shown = await service.target_at_rest(gateway_id, target_id)
        assert (shown["status"], shown["description"]) == ("READY", "after")
        assert (await service.client.delete_gateway_target(**address))["status"] == "DELETING"
        await service.gone(service.client.get_gateway_target, **address)

    async def test_r0_a_target_is_made_listed_and_removed(self, service: Service):
        client, gateway_id = service.client, await service.ready_gateway()
        address = {"gatewayIdentifier": gateway_id, "targetId": await service.target(gateway_id)}
        shown = await service.target_at_rest(gateway_id, address["targetId"])
        endpoint = shown["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"]
        assert (shown["status"], endpoint) == ("READY", service.endpoint)
        listed = (await client.list_gateway_targets(gatewayIdentifier=gateway_id))["items"]
        assert [(one["name"], one["status"]) for one in listed] == [("t", "READY")]
        assert (await client.delete_gateway_target(**address))["status"] == "DELETING"
        await service.gone(client.get_gateway_target, **address)
        assert (await client.list_gateway_targets(gatewayIdentifier=gateway_id))["items"] == []

    async def test_r0_a_target_is_shown_as_the_model_says(self, service: Service):
        gateway = {"gatewayIdentifier": await service.ready_gateway()}
        made = await service.client.create_gateway_target(**gateway, name="t", targetConfiguration=service.mcp())
        assert misfits("CreateGatewayTarget", made) == []
        shown = await service.client.get_gateway_target(**gateway, targetId=made["targetId"])
        assert misfits("GetGatewayTarget", shown) == []
        assert misfits("ListGatewayTargets", await service.client.list_gateway_targets(**gateway)) == []

    async def test_r0_a_name_is_taken_also_by_what_failed(self, service: Service):
        gateway_id = await service.ready_gateway()
        failed = await service.target(gateway_id, "bad", targetConfiguration=service.fails("bad"))
        shown = await service.target_at_rest(gateway_id, failed)
        assert shown["status"] == "FAILED"
        assert shown["statusReasons"]
        code, _ = await refusal(service.target(gateway_id, "bad"))
        assert code == "ConflictException"
        await service.client.delete_gateway_target(gatewayIdentifier=gateway_id, targetId=failed)
        await service.gone(service.client.get_gateway_target, gatewayIdentifier=gateway_id, targetId=failed)

    async def test_r0_a_target_in_transition_takes_no_change(self, service: Service):
        gateway_id = await service.ready_gateway()
        address = {"gatewayIdentifier": gateway_id, "targetId": await service.target(gateway_id)}
        for change in (
            lambda: service.client.update_gateway_target(**address, name="t", targetConfiguration=service.mcp()),
            lambda: service.client.delete_gateway_target(**address),
            lambda: service.client.synchronize_gateway_targets(
                gatewayIdentifier=gateway_id, targetIdList=[address["targetId"]]
            ),
        ):
            assert (await refusal(change()))[0] in ("ValidationException", "ConflictException")

    async def test_r0_five_operations_at_a_time(self, service: Service):
        gateway_id = await service.ready_gateway()
        made = [await service.target(gateway_id, f"t{number}") for number in range(5)]
        code, _ = await refusal(service.target(gateway_id, "t5"))
        assert code in ("ServiceQuotaExceededException", "ThrottlingException")
        for target_id in made:
            await service.target_at_rest(gateway_id, target_id)
        await service.target(gateway_id, "t5")

    async def test_r0_a_list_shows_status_and_no_reasons(self, service: Service):
        gateway_id = await service.ready_gateway()
        made = [await service.target(gateway_id, f"t{number}") for number in range(3)]
        for target_id in made:
            await service.target_at_rest(gateway_id, target_id)
        page = await service.client.list_gateway_targets(gatewayIdentifier=gateway_id, maxResults=2)
        rest = await service.client.list_gateway_targets(gatewayIdentifier=gateway_id, nextToken=page["nextToken"])
        items = page["items"] + rest["items"]
        assert {one["targetId"] for one in items} == set(made)
        assert {one["status"] for one in items} == {"READY"}
        assert not any("statusReasons" in one for one in items)

    async def test_r0_one_synchronization_a_call(self, service: Service):
        gateway_id = await service.ready_gateway()
        target_id = await service.target(gateway_id)
        before = await service.target_at_rest(gateway_id, target_id)
        two = service.client.synchronize_gateway_targets(gatewayIdentifier=gateway_id, targetIdList=[target_id] * 2)
        assert (await refusal(two))[0] == "ValidationException"
        answer = await service.client.synchronize_gateway_targets(
            gatewayIdentifier=gateway_id, targetIdList=[target_id]
        )
        assert [one["status"] for one in answer["targets"]] == ["SYNCHRONIZING"]
        after = await service.target_at_rest(gateway_id, target_id)
        assert after["lastSynchronizedAt"] > before["lastSynchronizedAt"]

    async def test_r0_a_dynamic_target_is_not_synchronized(self, service: Service):
        gateway_id = await service.ready_gateway()
        target_id = await service.target(gateway_id, targetConfiguration=service.mcp(listingMode="DYNAMIC"))
        await service.target_at_rest(gateway_id, target_id)
        sync = service.client.synchronize_gateway_targets(gatewayIdentifier=gateway_id, targetIdList=[target_id])
        assert (await refusal(sync))[0] == "ValidationException"

    async def test_r0_what_waits_for_consent_is_locked(self, service: Service):
        gateway_id = await service.ready_gateway()
        target_id = await service.target(gateway_id, credentialProviderConfigurations=await consenting(service))
        shown = await service.target_at_rest(gateway_id, target_id)
        assert shown["status"] == "CREATE_PENDING_AUTH"
        assert shown["authorizationData"]["oauth2"]["authorizationUrl"].startswith("http")
        address = {"gatewayIdentifier": gateway_id, "targetId": target_id}
        for change in (
            lambda: service.client.delete_gateway_target(**address),
            lambda: service.client.synchronize_gateway_targets(gatewayIdentifier=gateway_id, targetIdList=[target_id]),
        ):
            assert (await refusal(change()))[0] in ("ValidationException", "ConflictException")


class Providers:
    """OAuth2 credential providers."""

    async def test_r0_a_provider_lives_and_shows_no_secret(self, service: Service):
        client, name = service.client, service.name("idp")
        made = await client.create_oauth2_credential_provider(**provider(name))
        shown = await service.rest(client.get_oauth2_credential_provider, name=name)
        assert shown.get("status", "READY") == "READY"
        assert "never shown" not in str((made, shown))
        assert shown["clientSecretArn"]["secretArn"].startswith("arn:aws:secretsmanager:")
        await client.update_oauth2_credential_provider(**provider(name, clientId="another"))
        shown = await service.rest(client.get_oauth2_credential_provider, name=name)
        assert shown["oauth2ProviderConfigOutput"]["googleOauth2ProviderConfig"]["clientId"] == "another"
        await client.delete_oauth2_credential_provider(name=name)
        await service.gone(client.get_oauth2_credential_provider, name=name)
        assert (await refusal(client.delete_oauth2_credential_provider(name=name)))[0] == "ResourceNotFoundException"

    async def test_r0_a_repeat_of_a_create_without_token_is_refused(self, service: Service):
        await service.client.create_oauth2_credential_provider(**provider(service.name("idp")))
        again = service.client.create_oauth2_credential_provider(**provider(service.name("idp")))
        code, message = await refusal(again)
        assert code in ("ValidationException", "ConflictException")
        assert "already exists" in message


class Arranged:
    """What needs a network, a quota or a function that a real account would have to be given."""

    async def test_r0_quotas_are_kept(self, service: Service):
        assert service.plane is not None
        service.plane.behaviour.gateways = service.plane.behaviour.providers = 1
        service.plane.behaviour.targets_per_gateway = 1
        gateway_id = await service.ready_gateway()
        await service.target(gateway_id, "first")
        await service.client.create_oauth2_credential_provider(**provider(service.name("a")))
        for beyond in (
            service.gateway("another"),
            service.target(gateway_id, "second"),
            service.client.create_oauth2_credential_provider(**provider(service.name("b"))),
        ):
            assert (await refusal(beyond))[0] == "ServiceQuotaExceededException"

    async def test_r0_only_servers_are_synchronized(self, service: Service):
        gateway_id = await service.ready_gateway()
        static = service.mcp(mcpToolSchema={"inlinePayload": '{"tools": []}'})
        for name, configuration in {"lambda": LAMBDA, "static": static}.items():
            target_id = await service.target(gateway_id, name, targetConfiguration=configuration)
            await service.target_at_rest(gateway_id, target_id)
            sync = service.client.synchronize_gateway_targets(gatewayIdentifier=gateway_id, targetIdList=[target_id])
            assert (await refusal(sync))[0] == "ValidationException"

    async def test_r0_private_endpoints_share_their_resource_gateway(self, service: Service):
        gateway_id = await service.ready_gateway()
        subnets = ["subnet-0a1b2c3d4e5f60718"]
        network = {"vpcIdentifier": "vpc-0a1b2c3d4e5f60718", "subnetIds": subnets, "endpointIpAddressType": "IPV4"}
        lattice = {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}
        seen = []
        for name, endpoint in {
            "a": {"managedVpcResource": network},
            "b": {"managedVpcResource": network},
            "c": {"selfManagedLatticeResource": lattice},
        }.items():
            target_id = await service.target(gateway_id, name, privateEndpoint=endpoint)
            seen += (await service.target_at_rest(gateway_id, target_id))["privateEndpointManagedResources"]
        assert {one["domain"] for one in seen} == {"ledger.example.com"}
        assert len({one.get("resourceGatewayArn") for one in seen[:2]}) == 1
        assert "resourceAssociationArn" in seen[2]

    async def test_r0_consent_that_is_given_ends_the_wait(self, service: Service):
        gateway_id = await service.ready_gateway()
        target_id = await service.target(gateway_id, credentialProviderConfigurations=await consenting(service))
        shown = await service.target_at_rest(gateway_id, target_id)
        assert service.plane is not None
        service.plane.targets.consent.give(
            shown["authorizationData"]["oauth2"]["authorizationUrl"].rpartition("%3A")[2]
        )
        assert (await service.target_at_rest(gateway_id, target_id))["status"] == "READY"
