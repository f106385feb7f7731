package io.xenemu.it.linux;

import io.xenemu.it.fixture.EventChannelLoad;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Linux with four vCPUs on both event channel ABIs: its device for user space, and its own channels while CPUs come
/// and go.
@Needs({
    HostPackage.GCC,
    HostPackage.LIBC,
    HostPackage.LINUX_HEADERS,
    HostPackage.XEN_HEADERS,
    HostPackage.XENSTORE_UTILS
})
@ExtendWith(LabExtension.class)
class LinuxEventChannelsIT {
    /// Cycles of three CPUs each; `bin/soak cpus` has many.
    private static final int HOTPLUG_CYCLES = 2;

    @ParameterizedTest
    @EnumSource(EventChannelLoad.Abi.class)
    void eventsArriveAndNoPortIsLeftBehindWhileCpusComeAndGo(EventChannelLoad.Abi abi, Lab lab)
            throws IOException, InterruptedException {
        EventChannelLoad.run(LabDaemon.shared(lab), abi, HOTPLUG_CYCLES);
    }
}
