package io.xenemu.kvm.memory;

import io.xenemu.kvm.testing.DeclaredNumbers;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The structures and numbers of userfaultfd and of messages with descriptors, beside those of the C compiler.
class UserFaultStructsTest {
    private static final String PROGRAM =
            """
            #define _GNU_SOURCE
            #include <stddef.h>
            #include <stdio.h>
            #include <sys/ioctl.h>
            #include <sys/mman.h>
            #include <sys/socket.h>
            #include <sys/syscall.h>
            #include <linux/userfaultfd.h>
            #define V(name, value) printf("%s %lld\\n", name, (long long)(value))
            #define O(type, name, c) V(name, offsetof(type, c))
            int main(void) {
                V("UserFaultFd.UFFD_API", UFFD_API);
                V("UserFaultFd.UFFD_FEATURE_MISSING_SHMEM", UFFD_FEATURE_MISSING_SHMEM);
                V("UserFaultFd.UFFDIO_REGISTER_MODE_MISSING", UFFDIO_REGISTER_MODE_MISSING);
                V("UserFaultFd.UFFD_EVENT_PAGEFAULT", UFFD_EVENT_PAGEFAULT);
                V("UserFaultFd.USERFAULTFD_IOC_NEW", _IO(0xAA, 0x00));
                V("UserFaultFd.UFFDIO_API", UFFDIO_API);
                V("UserFaultFd.UFFDIO_REGISTER", UFFDIO_REGISTER);
                V("UserFaultFd.UFFDIO_UNREGISTER", UFFDIO_UNREGISTER);
                V("UserFaultFd.UFFDIO_WAKE", UFFDIO_WAKE);
                V("UserFaultFd.UFFDIO_COPY", UFFDIO_COPY);
                V("UserFaultFd.UFFDIO_ZEROPAGE", UFFDIO_ZEROPAGE);
                V("UserFaultFd.API_BYTES", sizeof(struct uffdio_api));
                O(struct uffdio_api, "UserFaultFd.API_FEATURES", features);
                V("UserFaultFd.RANGE_BYTES", sizeof(struct uffdio_range));
                O(struct uffdio_range, "UserFaultFd.RANGE_LEN", len);
                V("UserFaultFd.REGISTER_BYTES", sizeof(struct uffdio_register));
                O(struct uffdio_register, "UserFaultFd.REGISTER_MODE", mode);
                V("UserFaultFd.COPY_BYTES", sizeof(struct uffdio_copy));
                O(struct uffdio_copy, "UserFaultFd.COPY_SRC", src);
                O(struct uffdio_copy, "UserFaultFd.COPY_LEN", len);
                O(struct uffdio_copy, "UserFaultFd.COPY_MODE", mode);
                O(struct uffdio_copy, "UserFaultFd.COPY_COPY", copy);
                V("UserFaultFd.ZEROPAGE_BYTES", sizeof(struct uffdio_zeropage));
                O(struct uffdio_zeropage, "UserFaultFd.ZEROPAGE_MODE", mode);
                O(struct uffdio_zeropage, "UserFaultFd.ZEROPAGE_ZEROPAGE", zeropage);
                V("UserFaultFd.MSG_BYTES", sizeof(struct uffd_msg));
                O(struct uffd_msg, "UserFaultFd.MSG_ADDRESS", arg.pagefault.address);
                V("UserFaultFd.POPULATE_WRITE", MADV_POPULATE_WRITE);
                V("FaultCalls.USERFAULTFD", SYS_userfaultfd);
                V("MessageSocket.SEQPACKET_CLOEXEC", SOCK_SEQPACKET | SOCK_CLOEXEC);
                V("MessageSocket.CLOEXEC", SOCK_CLOEXEC);
                V("MessageSocket.SHUT_RDWR", SHUT_RDWR);
                V("MessageSocket.SOL_SOCKET", SOL_SOCKET);
                V("MessageSocket.SO_RCVTIMEO", SO_RCVTIMEO);
                V("MessageSocket.SCM_RIGHTS", SCM_RIGHTS);
                V("MessageSocket.MSG_TRUNC", MSG_TRUNC);
                V("MessageSocket.MSG_CTRUNC", MSG_CTRUNC);
                V("MessageSocket.MSG_CMSG_CLOEXEC", MSG_CMSG_CLOEXEC);
                V("MessageSocket.MSGHDR_BYTES", sizeof(struct msghdr));
                O(struct msghdr, "MessageSocket.MSG_IOV", msg_iov);
                O(struct msghdr, "MessageSocket.MSG_IOVLEN", msg_iovlen);
                O(struct msghdr, "MessageSocket.MSG_CONTROL", msg_control);
                O(struct msghdr, "MessageSocket.MSG_CONTROLLEN", msg_controllen);
                O(struct msghdr, "MessageSocket.MSG_FLAGS", msg_flags);
                V("MessageSocket.CMSG_BYTES", CMSG_LEN(0));
                O(struct cmsghdr, "MessageSocket.CMSG_LEVEL", cmsg_level);
                O(struct cmsghdr, "MessageSocket.CMSG_TYPE", cmsg_type);
                return 0;
            }
            """;

    private static final Map<String, String> ROOMS =
            Map.of("FaultCalls", "libc", "UserFaultFd", "memory", "MessageSocket", "socket");

    @TempDir private Path folder;

    @Test
    void declarationsAreThoseOfTheCompiler() throws Exception {
        DeclaredNumbers.assertAreThoseOf(
                PROGRAM, folder, type -> "io.xenemu.kvm." + ROOMS.get(type));
    }
}
