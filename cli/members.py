"""Members, brands and tools of an organisation, set up with its administrator's own credential, as a backend would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence

from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.common.v1 import decision_pb2 as common
from hauberk.guardrail.v1 import guardrail_service_pb2 as guard_pb
from hauberk.guardrail.v1 import guardrail_service_pb2_grpc as guard_grpc
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as tenancy_grpc

from cli.asking import TIMEOUT, Reach, Tenant, by_key
from cli.errors import CliError

TOKEN_KEY = "txn-token"  # noqa: S105 - the name of a metadata key
# A transaction token lives for 60 s; a fresh one is fetched well before.
TOKEN_USE = 30.0
AT_ONCE = 4


class Administrator:
    """Does administration as the first administrator of `tenant`, in the workload `backend`."""

    def __init__(self, stack: Reach, tenant: Tenant | None = None) -> None:
        self._tenant = tenant or stack
        self._auth = auth_grpc.AuthServiceStub(stack.channel("auth"))
        self._guard = guard_grpc.GuardrailServiceStub(stack.channel("guardrail"))
        self._tenancy = tenancy_grpc.TenancyServiceStub(stack.channel("tenancy"))
        self._token = ""
        self._until = 0.0

    async def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata that proves the administrator; fetched anew when the token grows old."""
        if time.monotonic() >= self._until:
            asked = auth_pb.AuthenticateRequest(credential=by_key(self._tenant.api_key), brand=self._tenant.brand)
            answer = await self._auth.Authenticate(asked, timeout=TIMEOUT)
            if answer.outcome != common.OUTCOME_ALLOW:
                raise CliError(f"the administrator's key of {self._tenant.organisation} is not accepted")
            self._token, self._until = answer.txn_token, time.monotonic() + TOKEN_USE
        return ((TOKEN_KEY, self._token),)

    async def add(self, users: Iterable[str], brands: Sequence[str] = ()) -> int:
        """Makes every user a member (of its first brand, unless others are named); who is one already is left alone."""
        present = await self._present()
        missing = [user for user in users if user not in present]
        for start in range(0, len(missing), AT_ONCE):
            await asyncio.gather(*(self._put(user, brands) for user in missing[start : start + AT_ONCE]))
        return len(missing)

    async def expiring_key(self, subject: str, seconds: int) -> str:
        """A new API key that lives for `seconds`."""
        asked = auth_pb.CreateApiKeyRequest(display_name="short-lived", subject=subject, brand=self._tenant.brand)
        asked.ttl.FromSeconds(seconds)
        answer = await self._auth.CreateApiKey(asked, timeout=TIMEOUT, metadata=await self.metadata())
        return str(answer.api_key)

    async def put_brand(self, brand: str) -> None:
        """Makes a brand of the organisation."""
        asked = tenancy_pb.PutBrandRequest(brand=tenancy_pb.Brand(brand=brand, display_name=brand))
        await self._tenancy.PutBrand(asked, timeout=TIMEOUT, metadata=await self.metadata())

    async def put_tool(self, tool: guard_pb.Tool) -> None:
        """Registers a tool that a model may call."""
        asked = guard_pb.PutToolRequest(tool=tool)
        await self._guard.PutTool(asked, timeout=TIMEOUT, metadata=await self.metadata())

    async def _present(self) -> set[str]:
        found: set[str] = set()
        page = ""
        while True:
            asked = tenancy_pb.ListMembersRequest(page_size=200, page_token=page)
            answer = await self._tenancy.ListMembers(asked, timeout=TIMEOUT, metadata=await self.metadata())
            found.update(member.user for member in answer.members)
            page = answer.next_page_token
            if not page:
                return found

    async def _put(self, user: str, brands: Sequence[str]) -> None:
        member = tenancy_pb.Member(user=user, roles=["member"], brands=brands or [self._tenant.brand])
        asked = tenancy_pb.PutMemberRequest(member=member)
        await self._tenancy.PutMember(asked, timeout=TIMEOUT, metadata=await self.metadata())
