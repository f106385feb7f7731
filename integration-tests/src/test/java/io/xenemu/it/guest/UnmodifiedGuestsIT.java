package io.xenemu.it.guest;

import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.UnmodifiedGuest;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Guests as Debian's packages have them. Those that differ from one of these in the kernel's version alone are left to
/// `bin/soak guests`.
@ExtendWith(LabExtension.class)
class UnmodifiedGuestsIT {
    @ParameterizedTest
    @EnumSource(names = {"LINUX_6_12_RT", "LINUX_6_1_CLOUD", "PV_LINUX_6_12", "GRUB", "MEMTEST"})
    void bootsAsItIs(UnmodifiedGuest guest, Lab lab) throws IOException, InterruptedException {
        guest.play(LabDaemon.shared(lab));
    }
}
