"""The policies that an organisation writes for itself."""

from __future__ import annotations

from typing import Any

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import current_caller
from services.tenancy import messages
from services.tenancy.ports import Use
from services.tenancy.servicer.core import Part

_USE = {pb.POLICY_USE_ENFORCE: Use.ENFORCED, pb.POLICY_USE_TRY: Use.TRIED}


class Policies(Part):
    """Versions: written, listed, put in force, tried, deleted."""

    async def PutPolicySet(self, request: pb.PutPolicySetRequest, _: Any) -> pb.PutPolicySetResponse:
        """Checks, and writes a new version."""
        use = _USE.get(request.use, Use.KEPT)
        version, etag = await self._core.policy_admin.put(
            current_caller(), request.policies, request.etag, use, check=request.validate_only
        )
        return pb.PutPolicySetResponse(version=messages.policy_version(version), etag=etag)

    async def GetPolicySet(self, request: pb.GetPolicySetRequest, _: Any) -> pb.GetPolicySetResponse:
        """A version with its text."""
        version, text = await self._core.policy_admin.get(current_caller(), request.version)
        return pb.GetPolicySetResponse(version=messages.policy_version(version), policies=text)

    async def ListPolicyVersions(self, request: pb.ListPolicyVersionsRequest, _: Any) -> pb.ListPolicyVersionsResponse:
        """A page of versions."""
        rows, token, etag = await self._core.policy_admin.versions(
            current_caller(), request.page_size, request.page_token
        )
        versions = map(messages.policy_version, rows)
        return pb.ListPolicyVersionsResponse(versions=versions, next_page_token=token, etag=etag)

    async def ActivatePolicyVersion(
        self, request: pb.ActivatePolicyVersionRequest, _: Any
    ) -> pb.ActivatePolicyVersionResponse:
        """Puts a version in force, or tries it."""
        version, etag = await self._core.policy_admin.use(
            current_caller(), request.version, _USE[request.use], request.etag
        )
        return pb.ActivatePolicyVersionResponse(version=messages.policy_version(version), etag=etag)

    async def DeletePolicyVersion(
        self, request: pb.DeletePolicyVersionRequest, _: Any
    ) -> pb.DeletePolicyVersionResponse:
        """Deletes a version that is not used."""
        existed = await self._core.policy_admin.delete(current_caller(), request.version)
        return pb.DeletePolicyVersionResponse(existed=existed)

    async def ListPolicyDifferences(
        self, request: pb.ListPolicyDifferencesRequest, _: Any
    ) -> pb.ListPolicyDifferencesResponse:
        """What a trial counted."""
        found = await self._core.policy_admin.differences(current_caller(), request.version)
        return pb.ListPolicyDifferencesResponse(differences=map(messages.policy_difference, found))
