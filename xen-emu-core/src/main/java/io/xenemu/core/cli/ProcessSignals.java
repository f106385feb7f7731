package io.xenemu.core.cli;

import java.lang.reflect.Proxy;

/// The signals of this process. `sun.misc.Signal` is the JDK's only interface for them (module jdk.unsupported); it is
/// called by reflection, because javac warns of each use by name.
final class ProcessSignals {
    private static final String SIGNAL = "sun.misc.Signal";
    private static final String HANDLER = "sun.misc.SignalHandler";

    private ProcessSignals() {}

    /// Makes a signal run an action instead of its default one. Each signal has a thread of its own, so several actions
    /// may run at once.
    ///
    /// @param name without SIG: `TERM`
    /// @throws IllegalArgumentException if the JVM keeps the signal for itself, as it does with `-Xrs`
    @SuppressWarnings("ReferenceEquality") // what equals() of an object without fields means
    static void handle(String name, Runnable action) {
        try {
            Class<?> signal = Class.forName(SIGNAL);
            Class<?> handler = Class.forName(HANDLER);
            Object proxy =
                    Proxy.newProxyInstance(
                            ProcessSignals.class.getClassLoader(),
                            new Class<?>[] {handler},
                            (self, method, arguments) ->
                                    switch (method.getName()) {
                                        case "handle" -> {
                                            action.run();
                                            yield null;
                                        }
                                        case "equals" -> self == arguments[0];
                                        case "hashCode" -> System.identityHashCode(self);
                                        default -> name;
                                    });
            signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance(name), proxy);
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("SIG" + name + " cannot be handled", e);
        }
    }
}
