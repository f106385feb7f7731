package io.xenemu.core.hypervisor;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The domains of one hypervisor by id. A domain is found until its memory and devices are gone. Commands no longer
/// reach it from just before it is closed. Orders go to the domain's driver, which is asked with no lock held.
final class DomainDirectory implements OperatedDomains {
    private final Map<DomId, Domain> domains = new ConcurrentHashMap<>();

    /// Held while a command works on domains, so that none is closed meanwhile.
    private final Object operated = new Object();

    /// The domains that still exist, be it only in part.
    @GuardedBy("operated")
    private final Set<Domain> alive = new HashSet<>();

    /// Domains of [#alive] that have stopped, and stay until they are destroyed.
    @GuardedBy("operated")
    private final Set<Domain> preserved = new HashSet<>();

    /// The domains that commands may work on.
    @GuardedBy("operated")
    private final Map<DomId, Domain> operable =
            new TreeMap<>(Comparator.comparingInt(DomId::value));

    /// The driver of each operable domain.
    @GuardedBy("operated")
    private final Map<Domain, DomainDriver> drivers = new HashMap<>();

    void add(Domain domain, DomainDriver driver) {
        synchronized (operated) {
            alive.add(domain);
            operable.put(domain.id(), domain);
            drivers.put(domain, driver);
            domains.put(domain.id(), domain);
        }
    }

    /// The driver of a domain; null if commands can no longer work on it.
    private @Nullable DomainDriver driver(Domain domain) {
        synchronized (operated) {
            return drivers.get(domain);
        }
    }

    /// The domain of an id, or null.
    @Nullable Domain find(DomId id) {
        return domains.get(id);
    }

    /// Whether a domain has this id.
    boolean contains(DomId id) {
        return domains.containsKey(id);
    }

    Collection<Domain> all() {
        return domains.values();
    }

    @Override
    public void forEach(Consumer<Domain> work) {
        synchronized (operated) {
            operable.values().forEach(work);
        }
    }

    @Override
    public void order(Domain domain, DomainOrder order) throws Refused, InterruptedException {
        DomainDriver driver = driver(domain);
        if (driver != null) {
            driver.order(domain.id(), order);
        } else if (order != DomainOrder.Plain.POWER_OFF && order != DomainOrder.Plain.REBOOT) {
            throw Refused.noSuchDomain(domain.config().name());
        }
    }

    @Override
    public void destroy(Domain domain) {
        DomainDriver driver = driver(domain);
        if (driver != null) {
            driver.destroy();
        }
    }

    /// Takes a domain from commands, before it is closed.
    void closing(Domain domain) {
        synchronized (operated) {
            operable.remove(domain.id());
            drivers.remove(domain);
        }
    }

    /// Frees the id of a domain that has been closed.
    void closed(Domain domain) {
        domains.remove(domain.id());
    }

    /// Gives a domain another name for a while.
    void call(Domain domain, String name) {
        synchronized (operated) {
            domain.call(name);
        }
    }

    /// Gives a stopped domain another name, and a driver of its own.
    void rename(Domain domain, String name, DomainDriver driver) {
        synchronized (operated) {
            domain.rename(name);
            drivers.put(domain, driver);
        }
    }

    /// Tells [#awaitStop] that a domain has stopped, and stays.
    void preserved(Domain domain) {
        synchronized (operated) {
            preserved.add(domain);
            operated.notifyAll();
        }
    }

    /// Tells [#awaitEnd] that nothing is left of a domain.
    void ended(Domain domain) {
        synchronized (operated) {
            alive.remove(domain);
            preserved.remove(domain);
            operated.notifyAll();
        }
    }

    @Override
    public void awaitStop(Domain domain) throws InterruptedException {
        synchronized (operated) {
            while (alive.contains(domain) && !preserved.contains(domain)) {
                operated.wait();
            }
        }
    }

    @Override
    public void awaitEnd(Domain domain) throws InterruptedException {
        synchronized (operated) {
            while (alive.contains(domain)) {
                operated.wait();
            }
        }
    }
}
