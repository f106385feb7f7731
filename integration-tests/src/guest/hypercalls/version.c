/* Detection by CPUID, the hypercall page, xen_version and the ways an argument is reached. */
#include "check.h"

#define LEAF4_IOMMU_MAPPINGS (1u << 2)
#define LEAF4_VCPU_ID_PRESENT (1u << 3)

/* Xen's features.h of 4.19. */
#define FEATURE_DM_MSIX_ALL_WRITES 20

void check_detection(void)
{
    uint32_t out[4];
    long version;

    check_true("cpuid.signature", xen_cpuid_base != 0);
    cpuid(1, 0, out);
    check_true("cpuid.hypervisor_bit", out[2] >> 31);
    cpuid(xen_cpuid_base, 0, out);
    check_true("cpuid.at_least_4_leaves", out[0] >= xen_cpuid_base + 4);
    cpuid(xen_cpuid_base + 1, 0, out);
    version = xen_version(XENVER_version, 0);
    check("cpuid.version_is_xenver_version", out[0], version);
    cpuid(xen_cpuid_base + 4, 0, out);
    check_true("cpuid.vcpu_id_present", out[0] & LEAF4_VCPU_ID_PRESENT);
    check("cpuid.vcpu_id", out[1], 0);
    check_true("cpuid.iommu_mappings", out[0] & LEAF4_IOMMU_MAPPINGS);
    cpuid(xen_cpuid_base + 2, 0, out);
    check("cpuid.one_hypercall_page", out[0], 1);
}

#define GENERAL_PROTECTION 13

/* What no routine reaches. */
static int is_filler(const char *bytes, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        if ((uint8_t)bytes[i] != 0xcc)
            return 0;
    return 1;
}

static void check_refused_pages(uint32_t msr, const char *page)
{
    uint32_t low = 1;
    unsigned int vector;

    check("hypercall_page.second_page_is_gp", try_wrmsr(msr, (unsigned long)page + 1), GENERAL_PROTECTION);
    check("hypercall_page.outside_ram_is_gp", try_wrmsr(msr, NOTHING_GPA), GENERAL_PROTECTION);
    check("hypercall_page.far_frame_is_gp", try_wrmsr(msr, ~0xfffull), GENERAL_PROTECTION);
    check_true("hypercall_page.refused_page_is_not_filled", page[0] == 0);
    vector = try_rdmsr(msr, &low);
    check("hypercall_page.msr_can_be_read", vector, 0);
    check("hypercall_page.msr_reads_as_zero", vector ? -1 : (int64_t)low, 0);
}

/* After shared_info: writing the MSR also tells Xen the guest's width, which Linux no longer does. */
void check_hypercall_page(void)
{
    uint32_t out[4];
    void *direct = hypercall_entry;
    char *page = alloc_page();
    long version = xen_version(XENVER_version, 0);

    cpuid(xen_cpuid_base + 2, 0, out);
    check_refused_pages(out[1], page);
    shared_info->wc_sec = 0;
    wrmsr(out[1], (unsigned long)page);
    check_true("hypercall_page.wallclock_is_set_anew", wallclock_is_set());
    check_true("hypercall_page.filled_with_int3", is_filler(page + 9, 23) && is_filler(page + 4096 - 23, 23));
    check("hypercall_page.iret_is_ud2", *(uint16_t *)(page + 32 * __HYPERVISOR_iret), 0x0b0f);
    hypercall_entry = page + 32 * __HYPERVISOR_xen_version;
    check("hypercall_page.version", xen_version(XENVER_version, 0), version);
    hypercall_entry = direct;
}

/* Whether a terminated string of at most `size` bytes has the word. */
static int contains(const char *text, size_t size, const char *word)
{
    size_t length = strlen(text);

    for (size_t at = 0; length < size && at < length; at++)
        if (memcmp(text + at, word, strlen(word)) == 0)
            return 1;
    return 0;
}

static void check_strings(void)
{
    char text[1024];
    struct xen_compile_info info;

    memset(text, 0x5a, sizeof(text));
    check("version.extraversion", xen_version(XENVER_extraversion, text), 0);
    check_true("version.extraversion_is_terminated_in_16", strlen(text) < 16);
    check("version.extraversion_writes_16_bytes", text[16], 0x5a);
    memset(&info, 0x5a, sizeof(info));
    check("version.compile_info", xen_version(XENVER_compile_info, &info), 0);
    check_true("version.compile_info_is_text", strlen(info.compiler) < 64 && strlen(info.compile_date) < 32);
    memset(text, 0x5a, sizeof(text));
    check("version.capabilities", xen_version(XENVER_capabilities, text), 0);
    check_true("version.capabilities_has_hvm", contains(text, sizeof(xen_capabilities_info_t), "hvm-3.0-x86_64"));
    check("version.changeset", xen_version(XENVER_changeset, text), 0);
    check("version.guest_handle", xen_version(XENVER_guest_handle, text), 0);
    memset(text, 0x5a, sizeof(text));
    check("version.commandline", xen_version(XENVER_commandline, text), 0);
    check_true("version.commandline_is_denied_in_9_bytes", memcmp(text, "<denied>\0ZZ", 11) == 0);
    check("version.build_id_is_eperm", xen_version(XENVER_build_id, 0), -XEN_EPERM);
}

void check_version(void)
{
    struct xen_feature_info features = {.submap_idx = 0};
    struct xen_platform_parameters parameters = {.virt_start = 1};
    void *absent = map_window(8, 0, WINDOW_ABSENT);

    check_true("version.version", xen_version(XENVER_version, 0) >= 0x40000);
    check("version.get_features", xen_version(XENVER_get_features, &features), 0);
    check_true("version.features_auto_translated_physmap", features.submap >> XENFEAT_auto_translated_physmap & 1);
    check_true("version.features_hvm_callback_vector", features.submap >> XENFEAT_hvm_callback_vector & 1);
    check_true("version.features_hvm_safe_pvclock", features.submap >> XENFEAT_hvm_safe_pvclock & 1);
    check_true("version.features_dm_msix_all_writes", features.submap >> FEATURE_DM_MSIX_ALL_WRITES & 1);
    check_true("version.features_not_dom0", !(features.submap >> XENFEAT_dom0 & 1));
    features.submap_idx = 1;
    check("version.get_features_unknown_submap_is_einval", xen_version(XENVER_get_features, &features), -XEN_EINVAL);
    check("version.get_features_bad_pointer_is_efault", xen_version(XENVER_get_features, absent), -XEN_EFAULT);
    check_strings();
    check("version.platform_parameters", xen_version(XENVER_platform_parameters, &parameters), 0);
    check("version.platform_parameters_are_0", parameters.virt_start, 0);
    check("version.pagesize", xen_version(XENVER_pagesize, 0), 4096);
    check("version.pagesize_with_argument_is_einval", xen_version(XENVER_pagesize, &parameters), -XEN_EINVAL);
    check("version.extraversion_bad_pointer_is_efault", xen_version(XENVER_extraversion, absent), -XEN_EFAULT);
    check("version.unknown_is_enosys", xen_version(99, 0), -XEN_ENOSYS);
}

static char label[80];

/* "args.PAGING.what" */
static const char *named(const char *paging, const char *what)
{
    char *at = label;

    for (const char *part = "args."; *part;)
        *at++ = *part++;
    while (*paging)
        *at++ = *paging++;
    *at++ = '.';
    while (*what)
        *at++ = *what++;
    *at = 0;
    return label;
}

static uint32_t features_at(void *address)
{
    struct xen_feature_info *info = address;

    info->submap_idx = 0;
    info->submap = 0;
    return xen_version(XENVER_get_features, info) == 0 ? info->submap : 0;
}

/* Two neighbouring virtual pages whose frames are apart and in reverse order. */
static void check_straddling(const char *paging, uint32_t want)
{
    char *high = alloc_page(), *gap = alloc_page(), *low = alloc_page();
    char *first = map_window(0, low, WINDOW_WRITABLE);
    char *second = map_window(1, high, WINDOW_WRITABLE);
    uint32_t result;

    memset(gap, 0x5a, 16);
    check(named(paging, "mapped_page"), features_at(first + 64), want);
    check(named(paging, "argument_over_page_boundary"), features_at(second - 4), want);
    memcpy(&result, high, 4);
    check(named(paging, "output_lands_in_second_frame"), result, want);
    check(named(paging, "unaligned_argument_over_page_boundary"), features_at(second - 3), want);
    check(named(paging, "frame_between_untouched"), gap[0], 0x5a);

    second = map_window(1, 0, WINDOW_ABSENT);
    memset(second - 4, 0, 4);
    check(named(paging, "second_page_absent_is_efault"), xen_version(XENVER_get_features, second - 4), -XEN_EFAULT);
    check(named(paging, "first_page_absent_is_efault"),
          xen_version(XENVER_get_features, map_window(2, 0, WINDOW_ABSENT)), -XEN_EFAULT);
    first = map_window(0, low, WINDOW_READ_ONLY);
    check(named(paging, "output_to_read_only_page_is_efault"),
          xen_version(XENVER_get_features, first + 128), -XEN_EFAULT);
}

void check_arguments(const char *paging)
{
    struct xen_feature_info info = {.submap_idx = 0};
    int window = 1;

#ifndef __x86_64__
    window = memcmp(paging, "none", 5) != 0;
#endif
    check(named(paging, "get_features"), xen_version(XENVER_get_features, &info), 0);
    if (window)
        check_straddling(paging, info.submap);
    check(named(paging, "outside_ram_is_efault"), xen_version(XENVER_get_features, (void *)NOTHING_GPA), -XEN_EFAULT);
#ifdef __x86_64__
    check(named(paging, "non_canonical_is_efault"),
          xen_version(XENVER_get_features, (void *)0x8000000000000000ul), -XEN_EFAULT);
    check(named(paging, "over_the_end_is_efault"), xen_version(XENVER_get_features, (void *)~3ul), -XEN_EFAULT);
#endif
}
