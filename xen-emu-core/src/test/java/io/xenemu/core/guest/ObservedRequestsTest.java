package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.domain.DomainObserver;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.xenstore.wire.MessageType;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// A guest's requests to XenStore, as the observer of its domain sees them.
final class ObservedRequestsTest {
    private static final int ALL = 4096;

    private final List<String> seen = new ArrayList<>();

    private final class Requests implements DomainObserver {
        @Override
        public void exited(
                VcpuId vcpu, ExitReason reason, long address, int bytes, boolean isWrite) {}

        @Override
        public void upcall(VcpuId vcpu, int vector) {}

        @Override
        public void storeRequest(String request, String answer) {
            seen.add(request + " = " + answer);
        }

        @Override
        public void grantBegun(int ref, int user, boolean isCopy) {}

        @Override
        public void grantEnded(int ref) {}

        @Override
        public void memoryChanged(long bytes, boolean isTarget) {}
    }

    @Test
    void requestsAreSeenWithTheirAnswers() throws Exception {
        try (SavableGuest guest = new SavableGuest()) {
            guest.ask(MessageType.READ, 0, "name\0", ALL);
            guest.domain().observe(new Requests());
            guest.ask(MessageType.READ, 0, "name\0", ALL);
            guest.ask(MessageType.READ, 0, "nobody\0", ALL);
            guest.ask(MessageType.WATCH, 0, "device\0token\0", ALL);
            guest.domain().observe(null);
            guest.ask(MessageType.READ, 0, "name\0", ALL);
        }
        assertEquals(List.of("READ name = ok", "READ nobody = ENOENT", "WATCH device = ok"), seen);
    }
}
