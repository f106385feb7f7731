package io.xenemu.core.xenimage;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.docs.Document;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;

/// The table in `docs/xen-images.md` says what the code does with each kind of record.
final class RecordTableTest {
    private static List<List<String>> rows(String layer, RecordKind... kinds) {
        List<List<String>> rows = new ArrayList<>();
        for (RecordKind kind : kinds) {
            rows.add(
                    List.of(
                            layer,
                            kind.name(),
                            kind.fate().name().toLowerCase(Locale.ROOT),
                            kind.reason()));
        }
        return rows;
    }

    @Test
    void theTableHasEachKindOfRecordAndItsFate() throws IOException {
        List<List<String>> known = new ArrayList<>();
        known.addAll(rows("libxl", LibxlRecord.values()));
        known.addAll(rows("libxc", LibxcRecord.values()));
        known.addAll(rows("HVM", HvmRecord.values()));
        List<List<String>> told =
                Document.read("xen-emu-core/docs/xen-images.md").table("records", 4);
        assertEquals(known, told);
    }

    @Test
    void onlyTakenRecordsNeedNoReason() {
        for (RecordKind[] kinds :
                new RecordKind[][] {
                    LibxlRecord.values(), LibxcRecord.values(), HvmRecord.values()
                }) {
            for (RecordKind kind : kinds) {
                assertEquals(kind.fate() == Fate.TAKEN, kind.reason().isEmpty(), kind.name());
            }
        }
    }
}
