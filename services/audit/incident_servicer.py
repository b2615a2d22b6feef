"""The part of AuditService that is about incidents; translates, decides nothing. The platform's are the same at another
desk, for operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hauberk.audit.v1 import audit_service_pb2 as pb

from services.audit.flows.incidents import Desk, Incidents
from services.audit.policy import pages
from services.audit.policy.playbooks import Mode
from services.audit.policy.report import ShownAction, ShownIncident, as_json, as_markdown
from services.audit.response_ports import Case
from services.kit.errors import FailedPrecondition, InvalidArgument

_MODES = {
    pb.PLAYBOOK_MODE_OBSERVE: Mode.OBSERVE,
    pb.PLAYBOOK_MODE_SUGGEST: Mode.SUGGEST,
    pb.PLAYBOOK_MODE_ENFORCE: Mode.ENFORCE,
}
_MODE_NUMBERS = {mode: number for number, mode in _MODES.items()}
_RESOLUTIONS = {pb.RESOLUTION_RESOLVED: "resolved", pb.RESOLUTION_FALSE_POSITIVE: "false_positive"}
_HALF = 48  # bits of an incident's number in each half of a page token
_FAR_US = 253_402_300_799_000_000
Note = Callable[[Desk, str, dict[str, str]], Awaitable[None]]


class IncidentPart:
    """`own` and `platform` give a desk; `note` puts what is asked on record before it is shown or done."""

    def __init__(
        self, incidents: Incidents, own: Callable[[], Desk], platform: Callable[[], Desk], note: Note, traces: str
    ) -> None:
        self._incidents, self._note, self._traces = incidents, note, traces
        self.own, self.platform = own, platform

    async def list_incidents(self, desk: Desk, request: Any) -> tuple[list[pb.Incident], str]:
        """A page, the newest first."""
        place = (_FAR_US / 1e6, "\x7f")
        if request.page_token:
            place = _place(request.page_token)
        size = pages.page_size(request.page_size)
        found = await self._incidents.page(desk, request.state, place, size)
        token = ""
        if len(found) == size:
            last = found[-1]
            number = int(last.id.removeprefix("inc_"), 16)
            token = pages.encode("i", round(last.made_at * 1e6), number >> _HALF, number & ((1 << _HALF) - 1))
        return [_brief(case) for case in found], token

    async def get_incident(self, desk: Desk, request: Any) -> tuple[pb.Incident, str, str]:
        """One with its report."""
        await self._note(desk, "get_incident", {"incident": request.incident_id})
        shown = await self._incidents.shown(desk, request.incident_id)
        return _whole(shown), as_markdown(shown, self._traces), as_json(shown, self._traces)

    async def close_incident(self, desk: Desk, request: Any) -> pb.Incident:
        """Closes one."""
        resolution = _RESOLUTIONS[request.resolution]
        await self._note(desk, "close_incident", {"incident": request.incident_id, "state": resolution})
        return _whole(await self._incidents.close(desk, request.incident_id, resolution))

    async def decide_action(self, desk: Desk, request: Any) -> pb.IncidentAction:
        """Approves, or takes back."""
        approve = request.verdict == pb.ACTION_VERDICT_APPROVE
        facts = {"incident": request.incident_id, "action_id": request.action_id}
        await self._note(desk, "decide_action", {**facts, "state": "approve" if approve else "undo"})
        decide = self._incidents.approve if approve else self._incidents.undo
        case = await decide(desk, request.incident_id, request.action_id)
        return _action(await self._incidents.action(desk, case))

    async def list_playbooks(self, desk: Desk) -> list[pb.Playbook]:
        """All of them."""
        return [
            pb.Playbook(playbook=name, mode=_MODE_NUMBERS[mode], actions=actions)
            for name, mode, actions in await self._incidents.modes(desk)
        ]

    async def put_mode(self, desk: Desk, request: Any) -> pb.Playbook:
        """From the next detection on."""
        mode = _MODES[request.mode]
        await self._note(desk, "put_playbook_mode", {"rule": request.playbook, "mode": mode.value})
        actions = await self._incidents.set_mode(desk, request.playbook, mode)
        return pb.Playbook(playbook=request.playbook, mode=request.mode, actions=actions)

    async def refuse_frozen(self, desk: Desk) -> None:
        """Raises FailedPrecondition while an incident has frozen exports."""
        found = await desk.cases.get(desk.organisation, "freeze", "exports")
        if found is not None and found.state == "frozen":
            raise FailedPrecondition("EXPORTS_FROZEN", "an open incident has frozen exports")


class IncidentRpcs:
    """The methods of the contract."""

    incidents: IncidentPart

    async def ListIncidents(self, request: pb.ListIncidentsRequest, _: Any) -> pb.ListIncidentsResponse:
        """A page of incidents."""
        found, token = await self.incidents.list_incidents(self.incidents.own(), request)
        return pb.ListIncidentsResponse(incidents=found, next_page_token=token)

    async def GetIncident(self, request: pb.GetIncidentRequest, _: Any) -> pb.GetIncidentResponse:
        """One with its report."""
        found, markdown, text = await self.incidents.get_incident(self.incidents.own(), request)
        return pb.GetIncidentResponse(incident=found, markdown=markdown, json=text)

    async def CloseIncident(self, request: pb.CloseIncidentRequest, _: Any) -> pb.CloseIncidentResponse:
        """Closes one."""
        return pb.CloseIncidentResponse(incident=await self.incidents.close_incident(self.incidents.own(), request))

    async def DecideAction(self, request: pb.DecideActionRequest, _: Any) -> pb.DecideActionResponse:
        """Approves or takes back."""
        return pb.DecideActionResponse(action=await self.incidents.decide_action(self.incidents.own(), request))

    async def ListPlaybooks(self, _request: pb.ListPlaybooksRequest, _: Any) -> pb.ListPlaybooksResponse:
        """All playbooks."""
        return pb.ListPlaybooksResponse(playbooks=await self.incidents.list_playbooks(self.incidents.own()))

    async def PutPlaybookMode(self, request: pb.PutPlaybookModeRequest, _: Any) -> pb.PutPlaybookModeResponse:
        """Sets a mode."""
        return pb.PutPlaybookModeResponse(playbook=await self.incidents.put_mode(self.incidents.own(), request))

    async def ListPlatformIncidents(
        self, request: pb.ListPlatformIncidentsRequest, _: Any
    ) -> pb.ListPlatformIncidentsResponse:
        """The same of the platform's."""
        found, token = await self.incidents.list_incidents(self.incidents.platform(), request)
        return pb.ListPlatformIncidentsResponse(incidents=found, next_page_token=token)

    async def GetPlatformIncident(
        self, request: pb.GetPlatformIncidentRequest, _: Any
    ) -> pb.GetPlatformIncidentResponse:
        """The same of the platform's."""
        found, markdown, text = await self.incidents.get_incident(self.incidents.platform(), request)
        return pb.GetPlatformIncidentResponse(incident=found, markdown=markdown, json=text)

    async def ClosePlatformIncident(
        self, request: pb.ClosePlatformIncidentRequest, _: Any
    ) -> pb.ClosePlatformIncidentResponse:
        """The same of the platform's."""
        return pb.ClosePlatformIncidentResponse(
            incident=await self.incidents.close_incident(self.incidents.platform(), request)
        )

    async def DecidePlatformAction(
        self, request: pb.DecidePlatformActionRequest, _: Any
    ) -> pb.DecidePlatformActionResponse:
        """The same of the platform's."""
        return pb.DecidePlatformActionResponse(
            action=await self.incidents.decide_action(self.incidents.platform(), request)
        )

    async def ListPlatformPlaybooks(
        self, _request: pb.ListPlatformPlaybooksRequest, _: Any
    ) -> pb.ListPlatformPlaybooksResponse:
        """The same of the platform's."""
        return pb.ListPlatformPlaybooksResponse(
            playbooks=await self.incidents.list_playbooks(self.incidents.platform())
        )

    async def PutPlatformPlaybookMode(
        self, request: pb.PutPlatformPlaybookModeRequest, _: Any
    ) -> pb.PutPlatformPlaybookModeResponse:
        """The same of the platform's."""
        return pb.PutPlatformPlaybookModeResponse(
            playbook=await self.incidents.put_mode(self.incidents.platform(), request)
        )


def _place(token: str) -> tuple[float, str]:
    try:
        made, high, low = pages.decode("i", 3, token)
    except pages.BadTokenError:
        raise InvalidArgument.of("page_token", "must be the token of the page before") from None
    return made / 1e6, f"inc_{(high << _HALF) | low:024x}"


def _brief(case: Case) -> pb.Incident:
    return pb.Incident(
        incident_id=case.id,
        rule=str(case.document["rule"]),
        severity=str(case.document["severity"]),
        state=case.state,
        opened_at=_moment(float(case.document["opened_at"])),
    )


def _whole(shown: ShownIncident) -> pb.Incident:
    found = _brief(Case(shown.organisation, "incident", shown.id, shown.state, shown.document))
    found.actions.extend(_action(each) for each in shown.actions)
    return found


def _action(shown: ShownAction) -> pb.IncidentAction:
    document = shown.document
    found = pb.IncidentAction(
        action_id=shown.id,
        action=str(document["do"]),
        subject_kind=str(document["subject_kind"]),
        subject=shown.subject,
        state=shown.state,
        why=str(document.get("why", "")),
    )
    if shown.due and shown.state == "done":
        found.expires_at.CopyFrom(_moment(shown.due))
    if "done_at" in document:
        found.done_at.CopyFrom(_moment(float(document["done_at"])))
    return found


def _moment(at: float) -> Timestamp:
    made = Timestamp()
    made.FromMicroseconds(round(at * 1e6))
    return made
