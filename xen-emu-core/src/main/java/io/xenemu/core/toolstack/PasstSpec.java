package io.xenemu.core.toolstack;

import java.util.regex.Pattern;

/// The host's end of a network interface that has no tap: passt(1), or another program that speaks its protocol on a
/// Unix socket.
///
/// @param socket path of a socket on which a program listens already; empty if the service is to start passt
/// @param tcpPorts ports of the host that passt forwards to the guest, in passt's words; empty for none
/// @param udpPorts the same for UDP
/// @param mapsGateway whether the guest reaches the host's own loopback addresses at the address of its gateway
public record PasstSpec(String socket, String tcpPorts, String udpPorts, boolean mapsGateway) {
    /// What passt's specifications of ports consist of, with the spaces that stand for commas here.
    private static final Pattern PORTS = Pattern.compile("[0-9A-Za-z:.%/~\\[\\] -]+");

    /// Checks what was given for ports, and brings it to passt's syntax: commas separate, as they do here between
    /// parameters; so spaces stand for them.
    static String ports(String key, String value) throws Refused {
        if (!PORTS.matcher(value).matches()) {
            throw new Refused("wrong " + key + ": " + value);
        }
        return value.strip().replaceAll(" +", ",");
    }
}
