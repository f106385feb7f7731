package io.xenemu.core.toolstack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.DomId;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class NicSpecTest {
    private static NicSpec parse(String... words) throws Refused {
        return NicSpec.parse(List.of(words), new Random(1));
    }

    @Test
    void otherPartsHaveXlsDefaults() throws Refused {
        NicSpec nic = parse("backend=net");

        assertEquals("vif-bridge", nic.script());
        assertEquals("xenbr0", nic.bridge());
        assertEquals(1500, nic.mtu());
        assertEquals(OptionalInt.empty(), nic.id());
        assertEquals(Map.of(), nic.forScript());
    }

    @Test
    void everyKeyIsTaken() throws Refused {
        NicSpec nic =
                parse(
                        "mac=00:16:3E:1:02:03, bridge=br1,script=vif-route",
                        "ip=10.0.0.2 10.0.0.3,vifname=eth7,gatewaydev=eth0,mtu=9000,devid=4,"
                                + "type=vif,backend=net,");

        assertEquals("00:16:3e:01:02:03", nic.mac().toString());
        assertEquals("br1", nic.bridge());
        assertEquals("vif-route", nic.script());
        assertEquals(
                Map.of("ip", "10.0.0.2 10.0.0.3", "vifname", "eth7", "gatewaydev", "eth0"),
                nic.forScript());
        assertEquals(9000, nic.mtu());
        assertEquals(OptionalInt.of(4), nic.id());
    }

    @Test
    void passtHasNoBridgeAndItsOwnWords() throws Refused {
        NicSpec nic = parse("backendtype=passt,tcp-ports=2222:22 8080,udp-ports=53,map-gw=1");

        assertEquals(Optional.of(new PasstSpec("", "2222:22,8080", "53", true)), nic.passt());
        PvDevice device = new PvDevice(DeviceKind.VIF, new DomId(3), DomId.DOM0, 0);
        assertEquals("passt", nic.contents(device).back().get("backendtype"));
        assertFalse(nic.contents(device).back().containsKey("bridge"));
        assertFalse(nic.contents(device).back().containsKey("script"));
        assertEquals(
                Optional.of(new PasstSpec("/run/p", "", "", false)),
                parse("backendtype=passt", "socket=/run/p", "backend=0").passt());
        assertEquals(Optional.empty(), parse("backendtype=tap").passt());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "1MB/s;50000,50000",
                "10Mb/s@20ms;25000,20000",
                "8Kb/s@1s;1000,1000000",
                "8Kb/s@1;1000,1000000",
                "1GB/s@5us;5000,5",
                "500000B/s@10m;5000,10000"
            })
    void ratesAreBytesOfAnInterval(String rate, String node) throws Refused {
        NicSpec nic = parse("rate=" + rate);
        PvDevice device = new PvDevice(DeviceKind.VIF, new DomId(3), DomId.DOM0, 0);
        assertEquals(node, nic.contents(device).back().get("rate"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "mac=00:16:3e:01:02;wrong mac: 00:16:3e:01:02",
                "mac=00:16:3e:01:02:100;wrong mac: 00:16:3e:01:02:100",
                "mtu=10;wrong mtu: 10",
                "devid=-1;wrong devid: -1",
                "type=ioemu;type=ioemu: not supported, only vif is",
                "rate=1MB;wrong rate: 1MB",
                "rate=0MB/s;wrong rate: 0MB/s",
                "rate=1b/s;wrong rate: 1b/s",
                "rate=1MB/s@1h;wrong rate: 1MB/s@1h",
                "rate=4000000000GB/s;wrong rate: 4000000000GB/s",
                "rate=99999999999B/s;wrong rate: 99999999999B/s",
                "rate=1MB/s@9999s;wrong rate: 1MB/s@9999s",
                "model=e1000;model: not supported",
                "backendtype=slirp;backendtype=slirp: not supported, only tap and passt are",
                "backendtype=passt,bridge=br0;backendtype=passt has no tap: no bridge, script and words for one",
                "backendtype=passt,vifname=t;backendtype=passt has no tap: no bridge, script and words for one",
                "backendtype=passt,backend=net;backendtype=passt: only the service has it, not backend=net",
                "backendtype=passt,socket=p;wrong socket: p",
                "backendtype=passt,tcp-ports=a b'c;wrong tcp-ports: a b'c",
                "backendtype=passt,socket=/p,map-gw=1;tcp-ports, udp-ports and map-gw are for a passt of the service: no socket",
                "socket=/p;socket, tcp-ports, udp-ports and map-gw need backendtype=passt",
                "fast;unknown parameter of a network interface: fast",
                "colour=red;unknown parameter of a network interface: colour"
            })
    void textThatIsNoInterfaceIsRefusedWithTheReason(String spec, String reason) {
        assertEquals(reason, assertThrows(Refused.class, () -> parse(spec)).reason());
    }
}
