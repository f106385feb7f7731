package io.xenemu.core.hypervisor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.device.ByteSink;
import io.xenemu.core.device.ByteSource;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.xenstore.ring.RequestObserver;
import java.util.List;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;

/// Domain 0's ends of the channels that every guest has.
final class ChannelsTest {
    /// Each boot of a guest takes two ports of domain 0, which has 131,071 for all boots of all guests.
    @Test
    void aGuestThatEndsLeavesNoPortsToDomain0() throws Exception {
        try (TestDomain test = new TestDomain(1)) {
            ServicePorts ports =
                    new ServicePorts(_ -> test.domain().eventChannels(), new SimpleMeterRegistry());
            StoreChannel store =
                    new StoreChannel(
                            TestDomain.ID,
                            test.domain().eventChannels(),
                            test.domain().special().xenstore(),
                            ports,
                            Assertions::fail,
                            RequestObserver.NONE);
            ConsoleChannel console =
                    new ConsoleChannel(test.domain(), ports, ByteSink.DISCARD, ByteSource.NONE);
            assertEquals(2, ports.channels().save().ports().size());
            console.close();
            store.close();
            assertEquals(List.of(), ports.channels().save().ports());
        }
    }
}
