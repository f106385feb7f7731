package io.xenemu.evtchn;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/// How a [ModelDomain]'s events wait and are announced, without a bit or a lock.
abstract class ModelDelivery {
    final ModelDomain domain;
    final Set<Integer> pending = new TreeSet<>();
    final Set<Integer> masked = new HashSet<>();

    ModelDelivery(ModelDomain domain) {
        this.domain = domain;
    }

    abstract void raise(int port);

    abstract void unmask(int port);

    boolean isBusy(int port) {
        return false;
    }

    void upcall(int vcpu) {
        if (domain.upcallPending.add(vcpu)) {
            domain.upcalls.add(vcpu);
        }
    }

    /// Bitmaps and selectors.
    static final class TwoLevel extends ModelDelivery {
        final Map<Integer, Set<Integer>> selected = new HashMap<>();
        int wordBits = 64;

        TwoLevel(ModelDomain domain) {
            super(domain);
        }

        @Override
        void raise(int port) {
            if (pending.add(port) && !masked.contains(port)) {
                announce(port);
            }
        }

        @Override
        void unmask(int port) {
            if (masked.remove(port) && pending.contains(port)) {
                announce(port);
            }
        }

        private void announce(int port) {
            int vcpu = domain.vcpuOf(port);
            if (selected.computeIfAbsent(vcpu, v -> new HashSet<>()).add(port / wordBits)) {
                upcall(vcpu);
            }
        }
    }

    /// A list for each vCPU and priority.
    static final class Fifo extends ModelDelivery {
        final Map<Integer, TreeMap<Integer, Deque<Integer>>> queues = new HashMap<>();
        final Set<Integer> linked = new HashSet<>();
        final Map<Integer, Integer> priorities = new HashMap<>();

        Fifo(ModelDomain domain) {
            super(domain);
        }

        @Override
        void raise(int port) {
            pending.add(port);
            if (!masked.contains(port) && linked.add(port)) {
                int vcpu = domain.vcpuOf(port);
                Deque<Integer> queue =
                        queues.computeIfAbsent(vcpu, v -> new TreeMap<>())
                                .computeIfAbsent(
                                        priorities.getOrDefault(port, 7), p -> new ArrayDeque<>());
                queue.add(port);
                if (queue.size() == 1) {
                    upcall(vcpu);
                }
            }
        }

        @Override
        void unmask(int port) {
            masked.remove(port);
            if (pending.contains(port)) {
                raise(port);
            }
        }

        @Override
        boolean isBusy(int port) {
            return linked.contains(port);
        }

        /// Takes up to `most` events out of their lists.
        ///
        /// @return those that are pending and not masked
        List<Integer> consume(int vcpu, int most) {
            domain.upcallPending.remove(vcpu);
            List<Integer> taken = new ArrayList<>();
            for (int i = 0; i < most; i++) {
                int port = next(vcpu);
                if (port == 0) {
                    break;
                }
                linked.remove(port);
                if (!masked.contains(port) && pending.remove(port)) {
                    taken.add(port);
                }
            }
            return taken;
        }

        private int next(int vcpu) {
            for (Deque<Integer> queue : queues.getOrDefault(vcpu, new TreeMap<>()).values()) {
                if (!queue.isEmpty()) {
                    return queue.remove();
                }
            }
            return 0;
        }
    }
}
