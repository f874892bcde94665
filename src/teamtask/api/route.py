"""`ApiRoute`: a call of the web API with what is declared of it: `Call.check` heeds it, the OpenAPI document tells it.

Nothing here is said twice: handlers take no query and no kind of body that their route does not declare.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct
from starlette.responses import Response

from teamtask.api.call import Call

if TYPE_CHECKING:
    from teamtask.access import Action, SiteAction
    from teamtask.api.server_parts import ServerParts

Handler = Callable[[Call], Awaitable[Response]]
SIGNED_IN: Final = "signed_in"  # whoever has credentials; what is shown is theirs
JSON_TYPE: Final = "application/json"
HTML_TYPE: Final = "text/html"


class Query(NamedTuple):
    """A parameter of the query: `kind` is string, integer or boolean, `values` are all that it can be."""

    name: str
    about: str
    kind: str = "string"
    values: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    default: int | str | None = None
    required: bool = False


class Stream(NamedTuple):
    """A body or an answer that is sent as it comes, in one of these media types; `line` is a line or event of it."""

    media_types: tuple[str, ...]
    about: str
    line: type[Struct] | None = None


class PageOf(NamedTuple):
    """A page: {"items": [...], "next": cursor or null}."""

    kind: type[Struct]


Answer = type[Struct] | PageOf | Stream | None


class ApiRoute(NamedTuple):
    """A call of the API; `needs` is a right in the list of the path, at the site, or SIGNED_IN.

    `errors` are the codes that do not follow from the rest, as `unauthorized` and `invalid_field` do.
    """

    method: str
    path: str
    handler: Handler
    needs: Action | SiteAction | str
    answer: Answer = None  # 204 without one
    body: type[Struct] | Stream | None = None
    query: tuple[Query, ...] = ()
    errors: tuple[str, ...] = ()
    status: int = 200
    creates: bool = False  # takes an Idempotency-Key
    may_have_nothing: bool = False  # then 204 and Retry-After stand in the place of the answer

    @property
    def media_types(self) -> tuple[str, ...]:
        """The kinds of body that it takes."""
        if self.body is None:
            return ()
        return self.body.media_types if isinstance(self.body, Stream) else (JSON_TYPE,)


class PublicRoute(NamedTuple):
    """What everybody may GET, credentials or not, and the answer for each status."""

    path: str
    handler: Callable[[ServerParts], Awaitable[Response]]
    answers: dict[int, type[Struct] | Stream]
