package io.xenemu.core;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noFields;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethodCall;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.core.importer.Location;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import io.xenemu.kvm.ioctl.KvmEvents;
import io.xenemu.kvm.ioctl.KvmRun;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.ioctl.XenHvmAttributes;
import io.xenemu.kvm.ioctl.XenVcpuAttributes;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// The direction of dependencies: kvm-bindings, then the three modules that do not know each other, then core. In core,
/// a room knows only rooms before it in [#ROOMS]; in xen-xenstore, only those before it in [#STORE_ROOMS].
@AnalyzeClasses(
        packages = "io.xenemu",
        importOptions = {ImportOption.DoNotIncludeTests.class, ArchitectureTest.NoTestJars.class})
final class ArchitectureTest {
    /// Leaves out the jar of kvm-bindings' tests.
    static final class NoTestJars implements ImportOption {
        @Override
        public boolean includes(Location location) {
            return !location.contains("-tests.jar");
        }
    }

    private static final String KVM = "io.xenemu.kvm..";
    private static final String IOCTL = "io.xenemu.kvm.ioctl..";
    private static final String LIBC = "io.xenemu.kvm.libc..";
    private static final String EVTCHN = "io.xenemu.evtchn..";
    private static final String GNTTAB = "io.xenemu.gnttab..";
    private static final String STORE = "io.xenemu.xenstore";
    private static final String XENSTORE = STORE + "..";
    private static final String CORE = "io.xenemu.core..";

    /// The rooms of core from the bottom to the top: each may use those before it.
    private static final List<String> ROOMS =
            List.of(
                    "json",
                    "metrics",
                    "vm",
                    "cpuid",
                    "boot",
                    "device",
                    "host",
                    "memory",
                    "migration",
                    "paging",
                    "timer",
                    "delivery",
                    "domain",
                    "hypercall",
                    "trace",
                    "replay",
                    "jfr",
                    "machine",
                    "xenimage",
                    "coredump",
                    "toolstack",
                    "backend",
                    "hypervisor",
                    "guest",
                    "xlcfg",
                    "control",
                    "lab",
                    "service",
                    "demo",
                    "xenstore",
                    "web",
                    "cli",
                    "startup");

    /// The packages of xen-xenstore from the bottom to the top. The module's own package, which composes, is above all.
    private static final List<String> STORE_ROOMS =
            List.of(
                    "tree", "wire", "state", "stream", "persist", "quota", "metrics", "store",
                    "request", "ring", "socket", "client");

    /// Methods of java.lang.foreign that can crash the JVM (`--enable-native-access`).
    private static final Map<Class<?>, Set<String>> RESTRICTED =
            Map.of(
                    MemorySegment.class, Set.of("reinterpret"),
                    Linker.class, Set.of("nativeLinker", "downcallHandle", "upcallStub"),
                    SymbolLookup.class, Set.of("libraryLookup", "loaderLookup"),
                    AddressLayout.class, Set.of("withTargetLayout"),
                    System.class, Set.of("load", "loadLibrary"));

    @ArchTest
    static final ArchRule bindingsKnowNobody = noDependency(KVM, EVTCHN, GNTTAB, XENSTORE, CORE);

    @ArchTest
    static final ArchRule eventChannelsKnowTheBasicsAlone =
            noDependency(EVTCHN, GNTTAB, XENSTORE, CORE, IOCTL, LIBC);

    @ArchTest
    static final ArchRule grantTablesKnowTheBasicsAlone =
            noDependency(GNTTAB, EVTCHN, XENSTORE, CORE, IOCTL, LIBC);

    @ArchTest
    static final ArchRule xenStoreKnowsTheBasicsAlone =
            noDependency(XENSTORE, EVTCHN, GNTTAB, CORE, IOCTL, LIBC);

    @ArchTest static final ArchRule coreMakesNoLibcCalls = noDependency(CORE, LIBC);

    @ArchTest
    static final ArchRule nativeCodeIsFenced =
            noClasses()
                    .that()
                    .resideOutsideOfPackage(KVM)
                    .should()
                    .callMethodWhere(
                            DescribedPredicate.describe(
                                    "the method can crash the JVM",
                                    ArchitectureTest::isRestricted));

    @ArchTest
    static final ArchRule logsGoThroughSlf4j =
            noClasses().should().dependOnClassesThat().resideInAPackage("java.util.logging..");

    @ArchTest
    static final ArchRule staticsAreFinal =
            fields().that().areStatic().should().beFinal().because("there is no global state");

    /// A final field can still hold something that changes. libc has its errno by thread.
    @ArchTest
    static final ArchRule staticsDoNotChange =
            noFields()
                    .that()
                    .areStatic()
                    .and()
                    .areDeclaredInClassesThat()
                    .resideOutsideOfPackage(LIBC)
                    .should()
                    .haveRawType(
                            DescribedPredicate.describe(
                                    "made to be changed", ArchitectureTest::isMutable));

    @ArchTest
    static final ArchRule namesSayWhatAClassIs =
            noClasses()
                    .should()
                    .haveNameMatching(".*(Utils?|Utilities|Helpers?|Manager|Impl)(\\$.*)?");

    @ArchTest
    static final ArchRule packagesHaveNoCycles =
            slices().matching("io.xenemu.(**)").should().beFreeOfCycles();

    @ArchTest
    static void roomsKnowEarlierRoomsAlone(JavaClasses classes) {
        checkOrder(ROOMS.stream().map(ArchitectureTest::room).toList(), classes);
    }

    @ArchTest
    static void roomsOfTheStoreKnowEarlierRoomsAlone(JavaClasses classes) {
        List<String> rooms = STORE_ROOMS.stream().map(ArchitectureTest::storeRoom).toList();
        checkOrder(rooms, classes);
        noDependency(STORE + ".*..", STORE).check(classes);
    }

    @ArchTest
    static final ArchRule transportsDoNotKnowEachOther =
            slices().matching("io.xenemu.xenstore.(ring|socket|client)..")
                    .should()
                    .notDependOnEachOther();

    @ArchTest
    static final ArchRule everyPackageOfTheStoreIsARoom =
            classes()
                    .that()
                    .resideInAPackage(STORE + ".*..")
                    .should()
                    .resideInAnyPackage(
                            STORE_ROOMS.stream()
                                    .map(ArchitectureTest::storeRoom)
                                    .toArray(String[]::new));

    private static void checkOrder(List<String> rooms, JavaClasses classes) {
        for (int i = 0; i + 1 < rooms.size(); i++) {
            String[] above = rooms.subList(i + 1, rooms.size()).toArray(String[]::new);
            noDependency(rooms.get(i), above).check(classes);
        }
    }

    @ArchTest
    static final ArchRule everyPackageOfCoreIsARoom =
            classes()
                    .that()
                    .resideInAPackage(CORE)
                    .should()
                    .resideInAnyPackage(
                            ROOMS.stream().map(ArchitectureTest::room).toArray(String[]::new));

    /// Above the port, only the rooms that build a VM and run its vCPUs know KVM's own handles. The others run on any
    /// VM.
    @ArchTest
    static final ArchRule roomsKnowTheVmAsAPort =
            noClasses()
                    .that()
                    .resideInAnyPackage(
                            room("vm"),
                            room("memory"),
                            room("timer"),
                            room("delivery"),
                            room("domain"),
                            room("hypercall"))
                    .should()
                    .dependOnClassesThat()
                    .belongToAnyOf(
                            KvmSystem.class,
                            KvmVm.class,
                            KvmVcpu.class,
                            KvmRun.class,
                            KvmEvents.class,
                            XenHvmAttributes.class,
                            XenVcpuAttributes.class);

    private static String room(String name) {
        return "io.xenemu.core." + name + "..";
    }

    private static String storeRoom(String name) {
        return STORE + "." + name + "..";
    }

    private static ArchRule noDependency(String from, String... to) {
        return noClasses()
                .that()
                .resideInAPackage(from)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(to);
    }

    private static boolean isRestricted(JavaMethodCall call) {
        return RESTRICTED.entrySet().stream()
                .anyMatch(entry ->
                        call.getTargetOwner().isAssignableTo(entry.getKey())
                                && entry.getValue().contains(call.getTarget().getName()));
    }

    private static boolean isMutable(JavaClass type) {
        boolean changingCollection =
                (type.isAssignableTo(Collection.class) || type.isAssignableTo(Map.class))
                        && !type.isInterface()
                        && !type.getPackageName().startsWith("com.google.common");
        return changingCollection
                || type.isAssignableTo(Thread.class)
                || type.isAssignableTo(ThreadLocal.class)
                || type.isAssignableTo(StringBuilder.class)
                || type.getPackageName().startsWith("java.util.concurrent");
    }
}
