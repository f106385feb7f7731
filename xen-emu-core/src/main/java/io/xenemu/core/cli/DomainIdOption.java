package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.DomainIdPolicy;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// The option with the policy for domain ids.
final class DomainIdOption {
    @Option(
            names = "--domids",
            paramLabel = "xen|random|FIRST-LAST",
            defaultValue = "xen",
            converter = Policy.class,
            description =
                    "Which ids domains get, as domid.policy of xl.conf: 1, 2, 3 and so on as Xen does, or any at random, or"
                            + " those of a range in order. A restored guest has its saved id. Default: ${DEFAULT-VALUE}.")
    DomainIdPolicy policy = DomainIdPolicy.XEN;

    /// Reads a policy.
    static final class Policy implements ITypeConverter<DomainIdPolicy> {
        @Override
        public DomainIdPolicy convert(String text) {
            try {
                return DomainIdPolicy.parse(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(String.valueOf(e.getMessage()));
            }
        }
    }
}
