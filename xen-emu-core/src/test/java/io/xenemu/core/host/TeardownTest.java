package io.xenemu.core.host;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class TeardownTest {
    private final Teardown steps = new Teardown();
    private final List<Integer> taken = new ArrayList<>();

    private void add(int number) {
        steps.add(() -> taken.add(number));
    }

    private void addFailing(RuntimeException failure) {
        steps.add(() -> {
            throw failure;
        });
    }

    @Test
    void stepsRunOnceAndInReverseOrder() {
        add(1);
        add(2);

        steps.close();
        steps.close();

        assertEquals(List.of(2, 1), taken);
    }

    @Test
    void everyStepRunsAndEveryFailureIsReported() {
        RuntimeException first = new IllegalStateException("first");
        RuntimeException second = new IllegalArgumentException("second");
        add(1);
        addFailing(second);
        add(2);
        addFailing(first);
        add(3);

        assertSame(first, assertThrows(RuntimeException.class, steps::close));
        assertEquals(List.of(3, 2, 1), taken);
        assertArrayEquals(new Throwable[] {second}, first.getSuppressed());
    }

    @Test
    void earlierFailureIsNotHidden() {
        RuntimeException before = new IllegalStateException("before");
        RuntimeException failure = new IllegalArgumentException("of a step");
        add(1);
        addFailing(failure);

        steps.closeAfter(before);

        assertEquals(List.of(1), taken);
        assertArrayEquals(new Throwable[] {failure}, before.getSuppressed());
    }
}
