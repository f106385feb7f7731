package io.xenemu.core.cli;

import com.google.common.net.HostAndPort;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// Reads `HOST:PORT`.
final class MetricsAddress implements ITypeConverter<HostAndPort> {
    @Override
    public HostAndPort convert(String text) {
        try {
            HostAndPort address = HostAndPort.fromString(text);
            if (address.hasPort() && !address.getHost().isEmpty()) {
                return address;
            }
        } catch (IllegalArgumentException e) {
            // Falls through to the one message for every wrong form.
        }
        throw new TypeConversionException("'" + text + "' is not HOST:PORT");
    }
}
