"""The houses people choose from."""

import pytest

from tests.http.conftest import PEOPLE, Door

PATH = "/api/v1/institutions"


@pytest.mark.parametrize("username", [*PEOPLE, "pacs"])
async def test_whoever_is_signed_in_reads_them(door: Door, username: str) -> None:
    program = await door.machine(username)
    async with program.get(PATH) as answer:
        assert answer.status == 200
        assert await answer.json() == [
            {"code": "county", "name": "县人民医院", "kind": "county", "parent": None},
            {
                "code": "qingshan",
                "name": "青山镇卫生院",
                "kind": "township",
                "parent": "county",
            },
            {
                "code": "shiqiao",
                "name": "石桥镇卫生院",
                "kind": "township",
                "parent": "county",
            },
        ]


async def test_a_stranger_does_not_and_nobody_writes_there(door: Door) -> None:
    stranger = await door.visitor()
    async with stranger.get(PATH) as answer:
        assert answer.status == 401
    page = await door.page("sys")
    async with page.post(PATH, json={}) as answer:
        assert answer.status == 405


async def test_the_description_of_the_api_names_their_fields(door: Door) -> None:
    stranger = await door.visitor()
    async with stranger.get("/api/openapi.json") as answer:
        document = await answer.json()
    told = document["paths"][PATH]["get"]["responses"]["2XX"]["content"]["application/json"]
    assert told["schema"]["items"] == {"$ref": "#/components/schemas/InstitutionLine"}
    fields = document["components"]["schemas"]["InstitutionLine"]["properties"]
    assert set(fields) == {"code", "name", "kind", "parent"}
