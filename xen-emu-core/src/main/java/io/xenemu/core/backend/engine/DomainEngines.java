package io.xenemu.core.backend.engine;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.backend.engine.EngineMap.Entry;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.domain.Part;
import io.xenemu.core.domain.PartState;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The engines of one domain: its map, and the queues of its devices.
///
/// A device offers its guest as many queues as [#offered] says: the entries of the device's class before the first gap,
/// since front ends number their queues from 0 without holes. Queue N runs on entry N.
///
/// Queues beyond the last entry, which a device has for itself, go round the engines of the class's entries.
///
/// A change of the map moves the queues that exist, each at once or after its run in progress. A queue whose entry is a
/// gap now stays on the engine that it has until its device connects again: its guest has been offered it.
///
/// Locks: the monitor orders changes of the map and new queues. Below it is the lock of a queue.
///
/// Whoever makes a queue closes it, also after the domain's end: a request may still be in flight then.
public final class DomainEngines implements AutoCloseable {
    private final Engines engines;
    private final DomId domain;
    private final Runnable gone;
    private final Set<EngineQueue> queues = ConcurrentHashMap.newKeySet();
    private volatile EngineMap map;

    @GuardedBy("this")
    private boolean closed;

    /// A queue as an operator sees it.
    ///
    /// @param type of its device
    /// @param device its device, such as `vbd-51712`
    /// @param index its number in the device
    /// @param engine that serves it now
    public record Served(EngineClass type, String device, int index, EngineId engine) {}

    /// @param gone called when the domain's engines end
    /// @throws XenError ENOENT: the map names an engine that the service does not have
    DomainEngines(Engines engines, DomId domain, EngineMap map, Runnable gone) throws XenError {
        requireKnown(engines, map);
        this.engines = engines;
        this.domain = domain;
        this.map = map;
        this.gone = gone;
    }

    private static void requireKnown(Engines engines, EngineMap map) throws XenError {
        if (engines.missing(map).isPresent()) {
            throw XenError.ENOENT;
        }
    }

    /// The domain's map.
    public EngineMap map() {
        return map;
    }

    /// Sets the map. If it is refused, the domain keeps its old one.
    ///
    /// @throws XenError ENOENT: the map names an engine that the service does not have
    public synchronized void set(EngineMap next) throws XenError {
        requireKnown(engines, next);
        map = next;
        for (EngineQueue queue : queues) {
            Engine engine = at(queue.at().type(), queue.at().index());
            if (engine != null) {
                queue.moveTo(engine);
            }
        }
    }

    /// Sets the map from its binary form ([EngineMapLayout]). If it is refused, the domain keeps its old one.
    ///
    /// @param bytes none for the default
    /// @throws XenError as [EngineMapLayout#map] and [#set(EngineMap)]
    public void set(byte[] bytes) throws XenError {
        set(EngineMapLayout.map(bytes));
    }

    /// Reads the map in its binary form, as a whole: a change comes before or after it.
    ///
    /// @param into receives the map; without any room, only its size is told
    /// @return the map's size in bytes; 0 for the default
    /// @throws XenError EINVAL: there is room, but not enough. The map may have grown since its size was told; then the
    ///     caller asks again
    public int get(byte[] into) throws XenError {
        byte[] bytes = EngineMapLayout.bytes(map);
        if (into.length == 0) {
            return bytes.length;
        }
        if (into.length < bytes.length) {
            throw XenError.EINVAL;
        }
        System.arraycopy(bytes, 0, into, 0, bytes.length);
        return bytes.length;
    }

    /// Takes over the map that another domain of the service has now, as the clone of that domain does when told so.
    public void copyFrom(DomainEngines other) {
        try {
            set(other.map());
        } catch (XenError e) {
            throw new IllegalStateException("the engines of a service do not end", e);
        }
    }

    /// The entries of a class, of the map or the default.
    public List<? extends Entry> row(EngineClass type) {
        List<Entry> own = map.of(type);
        return own.isEmpty() ? engines.of(type).stream().map(Engine::id).toList() : own;
    }

    /// How many queues a device of a class may offer the domain's guest now.
    public int offered(EngineClass type) {
        List<? extends Entry> row = row(type);
        int gap = row.indexOf(EngineMap.Gap.GAP);
        return gap < 0 ? row.size() : gap;
    }

    /// The engine of an index, or null for a gap.
    private @Nullable Engine at(EngineClass type, int index) {
        List<? extends Entry> row = row(type);
        if (index < row.size()) {
            return row.get(index) instanceof EngineId id ? engines.find(id) : null;
        }
        List<Engine> usable = usable(row);
        return usable.isEmpty() ? null : usable.get(index % usable.size());
    }

    private List<Engine> usable(List<? extends Entry> row) {
        List<Engine> usable = new ArrayList<>();
        for (Entry entry : row) {
            Engine engine = entry instanceof EngineId id ? engines.find(id) : null;
            if (engine != null) {
                usable.add(engine);
            }
        }
        return usable;
    }

    /// Makes a queue of a device and puts it on its engine. Its work runs from [EngineQueue#release] on.
    ///
    /// A queue that was offered before its entry became a gap goes to the first engine of the class that the domain can
    /// use, or, if there is none, that the service has.
    ///
    /// @param device its device, such as `vbd-51712`
    /// @param index its number in the device, from 0
    /// @param failed receives an exception of the work, which then runs no more
    /// @throws IllegalStateException if the domain ends, or the service has no engine of the class
    /// @throws io.xenemu.kvm.abi.KvmException if the process has no descriptor left
    public synchronized EngineQueue add(
            EngineClass type,
            String device,
            int index,
            QueueWork work,
            Consumer<Throwable> failed) {
        if (closed) {
            throw new IllegalStateException(domain + " has ended");
        }
        EngineQueue queue =
                new EngineQueue(
                        domain,
                        new EngineQueue.Place(type, device, index),
                        work,
                        failed,
                        engineFor(type, index),
                        queues::remove);
        queues.add(queue);
        boolean placed = false;
        try {
            queue.place();
            placed = true;
            return queue;
        } finally {
            if (!placed) {
                queues.remove(queue);
            }
        }
    }

    private Engine engineFor(EngineClass type, int index) {
        Engine engine = at(type, index);
        if (engine != null) {
            return engine;
        }
        return Stream.concat(usable(row(type)).stream(), engines.of(type).stream())
                .findFirst()
                .orElseThrow(() ->
                        new IllegalStateException(
                                "the service has no engine of class " + type.label()));
    }

    /// Its queues, by class, device and number.
    public List<Served> served() {
        return queues.stream()
                .map(queue ->
                        new Served(
                                queue.at().type(),
                                queue.at().device(),
                                queue.at().index(),
                                queue.engine().id()))
                .sorted(
                        Comparator.comparing(Served::type)
                                .thenComparing(Served::device)
                                .thenComparingInt(Served::index))
                .toList();
    }

    /// The domain's engines as a part of it: its saved state has the map.
    public Part part() {
        return new OwnPart(
                "engines",
                OwnPart.NOTHING,
                OwnPart.NOTHING,
                OwnPart.NEVER,
                () ->
                        new PartState.Saved(
                                EngineMapState.TYPE,
                                EngineMapState.VERSION,
                                new EngineMapState(map).encode()),
                this::close);
    }

    /// Ends the domain's engines: there are no new queues, and the map is gone.
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        gone.run();
    }
}
