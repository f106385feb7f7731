package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// xl's verbs for vCPUs.
final class VcpuVerbs {
    private VcpuVerbs() {}

    @Command(name = "vcpu-list")
    static final class VcpuList extends ServiceVerb {
        @Parameters(
                arity = "0..1",
                paramLabel = "DOMAIN",
                description = "Its name or id. Default: all.")
        private @Nullable String domain;

        @Override
        public Integer call() throws HostException {
            return send(domain == null ? List.of() : List.of(domain));
        }
    }

    @Command(name = "vcpu-set")
    static final class VcpuSet extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Its name or id.")
        private String domain = "";

        @Parameters(index = "1", paramLabel = "COUNT", description = "Number of vCPUs.")
        private String count = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain, count));
        }
    }

    @Command(name = "vcpu-pin")
    static final class VcpuPin extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Its name or id.")
        private String domain = "";

        @Parameters(index = "1", paramLabel = "VCPU", description = "Its number, or all.")
        private String vcpu = "";

        @Parameters(
                index = "2",
                paramLabel = "CPUS",
                description = "CPUs of the host, such as 0-3,^2; all; - for those that it has.")
        private String cpus = "";

        @Parameters(
                index = "3",
                arity = "0..1",
                paramLabel = "SOFT",
                description = "xl's soft affinity: all, or -.")
        private @Nullable String soft;

        @Override
        public Integer call() throws HostException {
            return send(
                    soft == null ? List.of(domain, vcpu, cpus) : List.of(domain, vcpu, cpus, soft));
        }
    }
}
