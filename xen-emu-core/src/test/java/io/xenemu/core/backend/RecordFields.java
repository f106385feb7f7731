package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Changes one field of a record after the other, in the records below it too. A codec that leaves a field out writes
/// the same bytes for both.
public final class RecordFields {
    private RecordFields() {}

    /// A record of which one field was changed.
    ///
    /// @param field its path
    public record Changed<T>(String field, T value) {}

    private interface Visitor {
        void changed(String path, Object value);
    }

    /// Each field of a state once, and each element of its lists. A field that admits no other value stays.
    ///
    /// @throws ReflectiveOperationException if a record cannot be made again
    public static <T extends Record> List<Changed<T>> eachChanged(T state)
            throws ReflectiveOperationException {
        List<Changed<T>> all = new ArrayList<>();
        @SuppressWarnings("unchecked")
        Class<T> type = (Class<T>) state.getClass();
        ofRecord("", state, (path, value) -> all.add(new Changed<>(path, type.cast(value))));
        return all;
    }

    /// Each changed field of a state gives other bytes: a field that is not written would be the same in both.
    ///
    /// @throws ReflectiveOperationException if a record cannot be made again
    public static <T extends Record> void assertEachIsWritten(
            T state, Function<T, BodyWriter> encoder) throws ReflectiveOperationException {
        byte[] whole = encoder.apply(state).toBytes();
        for (Changed<T> other : eachChanged(state)) {
            byte[] bytes = encoder.apply(other.value()).toBytes();
            assertFalse(Arrays.equals(whole, bytes), other.field());
        }
    }

    private static void ofRecord(String path, Record state, Visitor visitor)
            throws ReflectiveOperationException {
        RecordComponent[] components = state.getClass().getRecordComponents();
        Class<?>[] types =
                Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        Constructor<?> constructor = state.getClass().getDeclaredConstructor(types);
        constructor.setAccessible(true);
        @Nullable Object[] values = new @Nullable Object[components.length];
        for (int i = 0; i < components.length; i++) {
            components[i].getAccessor().setAccessible(true);
            values[i] = components[i].getAccessor().invoke(state);
        }
        for (int i = 0; i < components.length; i++) {
            int at = i;
            change(
                    path + "." + components[i].getName(),
                    values[i],
                    (name, value) -> {
                        @Nullable Object[] changed = values.clone();
                        changed[at] = value;
                        Object made = made(constructor, changed);
                        if (made != null) {
                            visitor.changed(name, made);
                        }
                    });
        }
    }

    /// @return null if the record refuses the value
    private static @Nullable Object made(Constructor<?> constructor, @Nullable Object[] values) {
        try {
            return constructor.newInstance(values);
        } catch (InvocationTargetException e) {
            assertInstanceOf(IllegalArgumentException.class, e.getCause());
            return null;
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(e.getMessage(), e);
        }
    }

    private static void change(String path, @Nullable Object value, Visitor visitor)
            throws ReflectiveOperationException {
        switch (value) {
            case Record inner -> ofRecord(path, inner, visitor);
            case List<?> list -> ofList(path, list, visitor);
            case Map<?, ?> map -> {
                Map<Object, Object> more = new LinkedHashMap<>(map);
                more.put("another", "value");
                visitor.changed(path, more);
            }
            case Optional<?> optional when optional.orElse(null) instanceof Record inner -> {
                visitor.changed(path, Optional.empty());
                ofRecord(path, inner, (name, other) -> visitor.changed(name, Optional.of(other)));
            }
            case OptionalInt number ->
                    visitor.changed(path, OptionalInt.of(number.orElseThrow() + 1));
            case Boolean flag -> visitor.changed(path, !flag);
            case Byte number -> visitor.changed(path, (byte) (number + 1));
            case Integer number -> visitor.changed(path, number + 1);
            case Long number -> visitor.changed(path, number + 1);
            case String text -> visitor.changed(path, text + "x");
            case Enum<?> constant -> {
                List<?> all = List.of(constant.getDeclaringClass().getEnumConstants());
                visitor.changed(path, all.get((all.indexOf(constant) + 1) % all.size()));
            }
            case null, default -> throw new AssertionError(path + " is " + value);
        }
    }

    private static void ofList(String path, List<?> list, Visitor visitor)
            throws ReflectiveOperationException {
        if (!list.isEmpty()) {
            visitor.changed(path, list.subList(1, list.size()));
        }
        for (int i = 0; i < list.size(); i++) {
            int at = i;
            change(
                    path + "[" + i + "]",
                    list.get(i),
                    (name, value) -> {
                        List<Object> changed = new ArrayList<>(list);
                        changed.set(at, value);
                        visitor.changed(name, changed);
                    });
        }
    }

    /// Reads a state.
    public interface Reader<T> {
        /// Reads it.
        T read(byte[] bytes) throws WireException;
    }

    /// Each byte changed gives another state, or one line of refusal; a state that is cut off is refused.
    public static <T> void assertDamageShows(T state, byte[] whole, Reader<T> reader) {
        for (int at = 0; at < whole.length; at++) {
            byte[] cut = Arrays.copyOf(whole, at);
            assertThrows(WireException.class, () -> reader.read(cut));
            byte[] damaged = whole.clone();
            damaged[at] ^= 0x41;
            try {
                assertNotEquals(state, reader.read(damaged), "byte " + at);
            } catch (WireException e) {
                assertEquals(1, String.valueOf(e.getMessage()).lines().count());
            }
        }
    }
}
