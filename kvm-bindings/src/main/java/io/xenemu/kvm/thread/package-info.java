/// Threads that wait for the kernel and for guests: [Epoll] waits for many descriptors, [TimerFd] is a time
/// among them, [CpuAffinity] has the CPUs that a thread may run on.
@NullMarked
package io.xenemu.kvm.thread;

import org.jspecify.annotations.NullMarked;
