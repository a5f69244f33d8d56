"""``/v4/address/validate/bulk``: whole lists of addresses, checked in the background."""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from postroad.dialects.mailgun.list_check import (
    CANCELLED,
    MISSING,
    SUBMITTED,
    csv_lines,
    has_results,
    job,
    json_items,
)
from postroad.dialects.mailgun.paging import paging, read_turn
from postroad.httpd.api.mailgun.form import form_in
from postroad.httpd.api.mailgun.named import answered, parameters_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.model.list_check import ListCheck
from postroad.model.refused import MissingError, RefusedError
from postroad.suppressions.list_checks import MOST_OF_ACCOUNT

_ALL = "/v4/address/validate/bulk"
_ONE = f"{_ALL}/{{list_id}}"


async def listed(managing: Managing, request: Request) -> Response:
    """List all lists of the account: they are few enough for one page."""
    turn = read_turn(await parameters_of(managing, request), "pivot", limit=MOST_OF_ACCOUNT)
    found = await managing.management.list_checks.of_account(managing.actor, managing.account_id)
    base = _base(request)
    shown = [] if turn.pivot else found
    links = paging(base, turn, "pivot", [one.name for one in shown], {})
    return answered({"jobs": [job(one, f"{base}/{one.name}") for one in shown], "total": len(found), "paging": links})


async def upload(managing: Managing, request: Request) -> Response:
    """Take a list in CSV; it is checked after the answer."""
    name = request.path_params["list_id"]
    async with form_in(managing.services, request) as form:
        files = form.files_of("file")
        if len(files) != 1:
            raise RefusedError("Send the list as the file part `file`", field="file")
        file = files[0]
        begin = managing.management.list_checks.begin
        await begin(managing.actor, managing.account_id, name, file.octets, file.filename)
    return answered({"id": name, "message": SUBMITTED}, 202)


async def show(managing: Managing, request: Request) -> Response:
    """Tell how far a list is."""
    one = await _named(managing, request)
    return answered(job(one, f"{_base(request)}/{one.name}"))


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a list with its results; one that is being checked ends."""
    await managing.management.list_checks.remove(managing.actor, await _named(managing, request))
    return answered({"message": CANCELLED})


async def results_in_csv(managing: Managing, request: Request) -> Response:
    """Send what the checks came to as CSV."""
    one = await _finished(managing, request)

    async def lines() -> AsyncIterator[str]:
        yield csv_lines([], is_first=True)
        async for checks in managing.management.list_checks.results(one):
            yield csv_lines(checks, is_first=False)

    return _download(one, lines(), "csv", "text/csv; charset=utf-8")


async def results_in_json(managing: Managing, request: Request) -> Response:
    """Send what the checks came to as an array of JSON."""
    one = await _finished(managing, request)

    async def items() -> AsyncIterator[str]:
        yield "["
        is_first = True
        async for checks in managing.management.list_checks.results(one):
            yield json_items(checks, is_first=is_first)
            is_first = False
        yield "]"

    return _download(one, items(), "json", "application/json")


def _download(one: ListCheck, content: AsyncIterator[str], shape: str, media_type: str) -> Response:
    headers = NO_STORE | {"Content-Disposition": f'attachment; filename="{one.name}.{shape}"'}
    return StreamingResponse(content, media_type=media_type, headers=headers)


async def _named(managing: Managing, request: Request) -> ListCheck:
    try:
        name = request.path_params["list_id"]
        return await managing.management.list_checks.named(managing.actor, managing.account_id, name)
    except MissingError as error:
        raise MissingError(MISSING) from error


async def _finished(managing: Managing, request: Request) -> ListCheck:
    one = await _named(managing, request)
    if not has_results(one):
        raise MissingError(f"{one.name} has no results yet: {one.counts.checked:,} of {one.total:,} are checked")
    return one


def _base(request: Request) -> str:
    whole = str(request.url.replace(query=""))
    return whole[: whole.index(_ALL) + len(_ALL)]


SERVED = (
    Served("GET", _ALL, managed(listed)),
    Served("POST", _ONE, managed(upload)),
    Served("GET", _ONE, managed(show)),
    Served("DELETE", _ONE, managed(remove)),
    Served("GET", f"{_ONE}/results.csv", managed(results_in_csv)),
    Served("GET", f"{_ONE}/results.json", managed(results_in_json)),
)
