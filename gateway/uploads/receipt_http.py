"""``GET /uploads/receipts/{parcel_id}``: what became of a parcel."""

from typing import Final

import msgspec
from aiohttp import web

from gateway.uploads.receipts import ReceiptBook
from gateway.uploads.threads import finish_in_thread
from gateway.uploads.tus import OwnerOf, TusServer, owner_by_sign_in
from gateway.uploads.upload_files import Upload, UploadResult
from kernel.errors import Missing, Unavailable
from kernel.web import describe, json_response, permit, read_query

WAIT_MAX_S: Final = 25.0


class ReceiptQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a receipt that is being made."""

    wait: float = 0.0


class ReceiptDoor:
    """Hands out receipts to the institution whose parcel it was, and to nobody else."""

    def __init__(
        self, receipts: ReceiptBook, uploads: TusServer, *, owner_of: OwnerOf = owner_by_sign_in
    ) -> None:
        self._receipts = receipts
        self._uploads = uploads
        self._owner_of = owner_of

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        return [web.get("/uploads/receipts/{parcel_id}", self._get, allow_head=False)]

    @describe("The county's signed receipt for a parcel", query=ReceiptQuery)
    @permit()
    async def _get(self, request: web.Request) -> web.StreamResponse:
        institution = self._owner_of(request).institution
        parcel_id = request.match_info["parcel_id"]
        wait_s = min(max(read_query(request, ReceiptQuery).wait, 0.0), WAIT_MAX_S)
        receipt = await self._find(institution, parcel_id)
        if receipt is None:
            upload = self._whole_upload(institution, parcel_id)
            if upload is None:
                raise Missing("no such parcel is whole here", code="receipt-unknown")
            if not await self._uploads.wait_ended(upload.info.upload_id, wait_s):
                return json_response({"state": "processing"}, status=202)
            receipt = await self._find(institution, parcel_id)
            if receipt is None:
                if upload.result is None or upload.result.accepted:
                    raise Unavailable("the parcel is not signed for", code="receipt-missing")
                return _refusal(upload.result)
        return web.Response(
            body=receipt, content_type="application/json", headers={"Cache-Control": "no-store"}
        )

    async def _find(self, institution: str, parcel_id: str) -> bytes | None:
        return await finish_in_thread(lambda: self._receipts.find(institution, parcel_id))

    def _whole_upload(self, institution: str, parcel_id: str) -> Upload | None:
        """Return the latest upload of that parcel that has all its bytes."""
        whole = [
            upload
            for upload in self._uploads.uploads_of(institution, kind="parcel")
            if upload.complete and upload.info.metadata.get("parcel") == parcel_id
        ]
        return max(whole, key=lambda upload: upload.info.upload_id, default=None)


def _refusal(result: UploadResult) -> web.Response:
    body = {
        "type": f"urn:yilian:problem:{result.code}",
        "title": "refused",
        "status": 422,
        "code": result.code,
        "detail": result.detail,
    }
    return json_response(body, status=422, content_type="application/problem+json")
