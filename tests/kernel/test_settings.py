"""What an operator writes is taken exactly, or refused with the line and the right word."""

from pathlib import Path

import pytest

from kernel.settings import NodeKind, Settings, SettingsRefused, is_loopback


def load(
    text: str = "", *, kind: NodeKind = NodeKind.COUNTY, folder: Path, **environ: str
) -> Settings:
    file = folder / "yilian.toml"
    file.write_text(text, encoding="utf-8")
    return Settings.load(kind, file=file, environ=environ)


def test_the_doors_are_the_published_ones_unless_set(tmp_path: Path) -> None:
    county = Settings.load(NodeKind.COUNTY, file=tmp_path / "absent.toml", environ={})
    assert (county.http.port, county.dicom.port, county.dicom.tls_port) == (8080, 11112, 2762)
    assert (county.websocket.port, county.hl7.port, county.dicom.ae_title) == (8081, 2575, "YILIAN")
    township = load(kind=NodeKind.TOWNSHIP, folder=tmp_path)
    assert (township.http.port, township.dicom.port) == (8090, 11113)
    assert township.dicom.ae_title == "YILIAN-TWP"
    assert {county.http.host, county.dicom.host, township.http.host} == {"127.0.0.1"}


def test_the_file_is_taken_and_the_environment_wins(tmp_path: Path) -> None:
    settings = load(
        '[http]\nport = 9000\n[node]\nname = "某某县人民医院"\n[redis]\nenabled = true\n',
        folder=tmp_path,
        YILIAN_HTTP_PORT="9001",
        YILIAN_REDIS_ENABLED="false",
        YILIAN_HTTP_PUBLIC_ORIGINS="https://a.example, https://b.example",
        YILIAN_HOME="not a setting",
        PATH="/bin",
    )
    assert settings.http.port == 9001
    assert settings.node.name == "某某县人民医院"
    assert not settings.redis.enabled
    assert settings.http.public_origins == ("https://a.example", "https://b.example")


def test_an_offset_moves_every_port_but_a_free_one(tmp_path: Path) -> None:
    file = tmp_path / "yilian.toml"
    file.write_text("[hl7]\nport = 0\n")
    moved = Settings.load(NodeKind.COUNTY, file=file, environ={}, port_offset=1000)
    assert (moved.http.port, moved.dicom.port, moved.dicom.tls_port) == (9080, 12112, 3762)
    assert moved.hl7.port == 0
    with pytest.raises(SettingsRefused, match="port-offset"):
        Settings.load(NodeKind.COUNTY, environ={}, port_offset=60_000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            '# a\n[http]\nhost = "::1"\nprot = 1\n',
            "yilian.toml:4: unknown key http.prot, did you mean http.port?",
            id="key",
        ),
        pytest.param(
            "[htp]\nport = 1\n", "yilian.toml:2: unknown [htp], did you mean [http]?", id="table"
        ),
        pytest.param(
            "[redis_x]\n",
            "yilian.toml:1: unknown [redis_x], did you mean [redis]?",
            id="empty-table",
        ),
        pytest.param("\nhttp.prot = 1\n", "yilian.toml:2: unknown key http.prot", id="dotted"),
        pytest.param("port = 1\n", "yilian.toml:1: port stands outside any [table]", id="no-table"),
        pytest.param("[http]\nport = 99999\n", "yilian.toml:2: http.port: Expected", id="range"),
        pytest.param('[http]\nport = "x"\n', "yilian.toml:2: http.port: Expected", id="type"),
        pytest.param("[http\n", "yilian.toml: ", id="not-toml"),
        pytest.param(
            "[http]\npublic_origins = [1]\n", "yilian.toml:2: http.public_origins", id="list"
        ),
        pytest.param('[dicom]\nae_title = "A\\\\B"\n', "dicom.ae_title", id="ae-title"),
        pytest.param('[node]\ninstitution = "X Y"\n', "node.institution", id="institution"),
        pytest.param('[tls]\ncert_file = "c"\n', "tls.key_file", id="half-a-certificate"),
        *(
            pytest.param(
                f'[dicomweb]\nviewer_origins = ["{origin}"]\n',
                f"dicomweb.viewer_origins: {origin!r}",
                id=f"origin-{origin}",
            )
            for origin in (
                "*",
                "null",
                "viewer.example",
                "https://viewer.example/",
                "https://*.example",
                "https://Viewer.example",
                "https://a@viewer.example",
                "https://viewer.example:0",
            )
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        load(text, folder=tmp_path)
    assert said in refused.value.detail


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("YILIAN_HTTP_PROT", "did you mean YILIAN_HTTP_PORT?"),
        ("YILIAN_HTTPPORT", "did you mean YILIAN_HTTP_PORT?"),
        ("YILIAN_", "unknown variable"),
    ],
)
def test_an_unknown_variable_refuses_to_start(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        Settings.load(NodeKind.COUNTY, file=tmp_path / "absent.toml", environ={name: "1"})
    assert said in refused.value.detail


def test_a_variable_with_an_impossible_value_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match=r"YILIAN_HTTP_PORT: http\.port: "):
        load(folder=tmp_path, YILIAN_HTTP_PORT="many")


@pytest.mark.parametrize("door", ["http", "dicom", "websocket", "hl7"])
def test_a_door_opens_to_the_network_only_when_told_to_twice(tmp_path: Path, door: str) -> None:
    where = f'[{door}]\nhost = "0.0.0.0"\n'
    with pytest.raises(SettingsRefused, match="allow_network"):
        load(where, folder=tmp_path)
    with pytest.raises(SettingsRefused, match="allow_unencrypted"):
        load(f"{where}allow_network = true\n", folder=tmp_path)
    load(f"{where}allow_network = true\nallow_unencrypted = true\n", folder=tmp_path)
    certified = f'{where}allow_network = true\n[tls]\ncert_file = "c"\nkey_file = "k"\n'
    if door in {"http", "websocket"}:
        load(certified, folder=tmp_path)
    else:
        with pytest.raises(SettingsRefused, match="allow_unencrypted"):
            load(certified, folder=tmp_path)


def test_no_other_origin_reads_images_unless_named(tmp_path: Path) -> None:
    assert load(folder=tmp_path).dicomweb.viewer_origins == ()
    named = load(
        folder=tmp_path,
        YILIAN_DICOMWEB_VIEWER_ORIGINS="https://viewer.example, http://10.0.0.7:3000, http://[::1]",
    )
    assert named.dicomweb.viewer_origins == (
        "https://viewer.example",
        "http://10.0.0.7:3000",
        "http://[::1]",
    )


def test_loopback_is_this_machine_only() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "")))  # noqa: S104
