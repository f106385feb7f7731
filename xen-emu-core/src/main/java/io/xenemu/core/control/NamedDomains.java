package io.xenemu.core.control;

import com.google.common.primitives.Ints;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// The domains of a service by what an operator calls them: id or name. Digits alone are always an id, as under xl.
public final class NamedDomains {
    /// What is done on a domain.
    interface Order {
        void carryOut(Domain domain) throws OperatorCommands.Refused;
    }

    private final OperatorCommands.Domains domains;

    public NamedDomains(OperatorCommands.Domains domains) {
        this.domains = domains;
    }

    /// The domain of a name or id, which may be about to end.
    ///
    /// @throws OperatorCommands.Refused when there is none
    Domain named(String name) throws OperatorCommands.Refused {
        return on(name, _ -> {});
    }

    /// Carries out an order on the domain of a name, which does not end meanwhile.
    ///
    /// @throws OperatorCommands.Refused when there is none, or the order is refused
    Domain on(String name, Order order) throws OperatorCommands.Refused {
        List<Domain> found = new ArrayList<>();
        List<OperatorCommands.Refused> refused = new ArrayList<>();
        domains.forEach(domain -> {
            if (found.isEmpty() && isNamed(domain, name)) {
                found.add(domain);
                try {
                    order.carryOut(domain);
                } catch (OperatorCommands.Refused e) {
                    refused.add(e);
                }
            }
        });
        if (!refused.isEmpty()) {
            throw refused.getFirst();
        }
        if (found.isEmpty()) {
            throw new OperatorCommands.Refused("no such domain: " + name);
        }
        return found.getFirst();
    }

    private static boolean isNamed(Domain domain, String name) {
        return DomainConfig.isId(name)
                ? Objects.equals(Ints.tryParse(name), domain.id().value())
                : domain.config().name().equals(name);
    }
}
