package io.xenemu.kvm.abi;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class XenErrorTest {
    @Test
    void allErrorsAreListedInOrderOfTheirNumbers() throws IllegalAccessException {
        List<Object> declared = new ArrayList<>();
        for (var field : XenError.class.getFields()) {
            if (field.get(null) instanceof XenError error) {
                assertEquals(field.getName(), error.symbol());
                declared.add(error);
            }
        }
        assertEquals(declared, XenError.ALL);

        List<Integer> numbers = XenError.ALL.stream().map(XenError::number).toList();
        assertEquals(numbers.stream().sorted().distinct().toList(), numbers);
    }
}
