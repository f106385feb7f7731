package io.xenemu.core.hypervisor;

import com.google.common.primitives.Ints;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.toolstack.Refused;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// The domains of a service by id or name, as an operator calls them. Digits alone are always an id, as with xl.
public final class NamedDomains {
    /// Work on a domain.
    public interface Order {
        void carryOut(Domain domain) throws Refused;
    }

    private final OperatedDomains domains;

    public NamedDomains(OperatedDomains domains) {
        this.domains = domains;
    }

    /// The domain of a name or id, which may be about to end.
    ///
    /// @throws Refused when there is none
    public Domain named(String name) throws Refused {
        return on(name, _ -> {});
    }

    /// Carries out an order on the domain of a name, which does not end meanwhile.
    ///
    /// @throws Refused when there is none, or the order is refused
    public Domain on(String name, Order order) throws Refused {
        List<Domain> found = new ArrayList<>();
        List<Refused> refused = new ArrayList<>();
        domains.forEach(domain -> {
            if (found.isEmpty() && isNamed(domain, name)) {
                found.add(domain);
                try {
                    order.carryOut(domain);
                } catch (Refused e) {
                    refused.add(e);
                }
            }
        });
        if (!refused.isEmpty()) {
            throw refused.getFirst();
        }
        if (found.isEmpty()) {
            throw Refused.noSuchDomain(name);
        }
        return found.getFirst();
    }

    /// The name of the domain of a name or id; the same word if there is none.
    public String nameOf(String name) {
        List<String> found = new ArrayList<>();
        domains.forEach(domain -> {
            if (isNamed(domain, name)) {
                found.add(domain.config().name());
            }
        });
        return found.isEmpty() ? name : found.getFirst();
    }

    private static boolean isNamed(Domain domain, String name) {
        return DomainConfig.isId(name)
                ? Objects.equals(Ints.tryParse(name), domain.id().value())
                : domain.config().name().equals(name);
    }
}
