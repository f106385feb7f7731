package io.xenemu.core.paging;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.memory.UserFaultFd;
import org.opentest4j.TestAbortedException;

/// What tests need of the host whose guests' memory comes later.
public final class LatePagesNeeds {
    private LatePagesNeeds() {}

    /// Skips the test if this user may not use userfaultfd.
    public static void rightToUseUserfaultfd() {
        try (UserFaultFd _ = UserFaultFd.open()) {
            return;
        } catch (KvmException e) {
            if (e.errno() == Errno.EPERM) {
                throw new TestAbortedException(
                        "needs the right to use userfaultfd: run as root", e);
            }
            throw e;
        }
    }
}
