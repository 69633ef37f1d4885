"""What a wrong bit on the line costs: TLS finds it where it is, so that nothing is taken on it.

This is why parcels have no checksum for each part (docs/adr/0020-parcels-and-receipts.md).
"""

import ssl
from pathlib import Path

import pytest

from bench.line.model import AtByte, Fault, LineShape
from bench.line.proxy import open_line
from tests.certificates import self_signed
from tests.township.node import door_to, node_in
from tests.township.test_forwarder import noisy
from tests.uploads.county_door import county_door

MIB = 1 << 20
LINE = LineShape(16_000_000, 16_000_000, rtt_s=0.002)


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_a_wrong_bit_costs_what_was_on_the_line_over_tls_and_a_parcel_in_the_clear(
    tmp_path: Path, scheme: str
) -> None:
    pem = self_signed(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pem)
    trusted = ssl.create_default_context(cafile=pem)
    secure = scheme == "https"
    async with (
        county_door(tmp_path / "county", tls=tls if secure else None) as county,
        open_line(county.port, LINE) as line,
    ):
        address = f"{scheme}://127.0.0.1:{line.port}"
        tls_out = trusted if secure else None
        door = door_to(line.port, base_url=address, tls=tls_out, stall_s=15.0)
        line.troubles.append(AtByte(MIB + MIB // 2, Fault.FLIP))
        async with node_in(tmp_path / "node", door) as node:
            # One image is one parcel, of 2 MiB.
            await node.store([noisy(1, side=1024)])
            await node.until(at_county=1, timeout_s=25)
        assert [struck.fault for struck in line.strikes] == [Fault.FLIP]
        [(arrival, _)] = county.committed()
        again = line.up.sent_bytes - arrival.size_bytes
        if secure:
            # With what TLS itself adds, and one more handshake.
            assert again < MIB
        else:
            # The control: found only by the digest of the whole, and sent whole again.
            assert again > MIB
