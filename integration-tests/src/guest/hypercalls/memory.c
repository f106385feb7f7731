/* memory_op: shared_info placement, ballooning, the memory map. */
#include "check.h"

#define E820_RAM 1

struct e820_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

static long add_to_physmap(domid_t domid, unsigned int space, unsigned long idx, unsigned long gfn)
{
    struct xen_add_to_physmap add = {.domid = domid, .space = space, .idx = idx, .gpfn = gfn};

    return memory_op(XENMEM_add_to_physmap, &add);
}

static int is_live(const volatile struct shared_info *info)
{
    return info->vcpu_info[0].time.tsc_to_system_mul != 0 && info->vcpu_info[0].time.version != 0
        && !(info->vcpu_info[0].time.version & 1);
}

int wallclock_is_set(void)
{
    return shared_info->wc_sec != 0 && shared_info->wc_version != 0 && !(shared_info->wc_version & 1);
}

void check_shared_info(void)
{
    unsigned long outside = frame_outside_ram(0);
    unsigned long inside = (unsigned long)alloc_page() / PAGE;

    check("shared_info.outside_of_ram", map_shared_info(outside), 0);
    check_true("shared_info.outside_of_ram_has_time", is_live((void *)(outside * PAGE)));
    ((volatile struct shared_info *)(outside * PAGE))->evtchn_mask[7] = 0x1234;

    check("shared_info.inside_of_ram", map_shared_info(inside), 0);
    shared_info = (void *)(inside * PAGE);
    vcpu_info = &shared_info->vcpu_info[0];
    check_true("shared_info.inside_of_ram_has_time", is_live(shared_info));
    check("shared_info.content_moves_along", (int64_t)shared_info->evtchn_mask[7], 0x1234);
    shared_info->evtchn_mask[7] = 0;
#ifdef __x86_64__
    /* Until it has heard of the guest's width, Xen takes it for 64-bit. */
    check_true("shared_info.wallclock_is_set_at_once", wallclock_is_set());
#else
    check_true("shared_info.mapping_does_not_tell_the_width", !wallclock_is_set());
#endif
    check("shared_info.index_1_is_einval", add_to_physmap(DOMID_SELF, XENMAPSPACE_shared_info, 1, inside), -XEN_EINVAL);
    check("physmap.unknown_space_is_einval", add_to_physmap(DOMID_SELF, 99, 0, inside), -XEN_EINVAL);
    check("physmap.unknown_domain_is_esrch", add_to_physmap(0x7000, XENMAPSPACE_shared_info, 0, inside), -XEN_ESRCH);
    check("physmap.bad_pointer_is_efault",
          memory_op(XENMEM_add_to_physmap, map_window(8, 0, WINDOW_ABSENT)), -XEN_EFAULT);
    check_true("shared_info.still_there_after_errors", is_live(shared_info));
}

static long change_reservation(unsigned long command, xen_pfn_t *frames, unsigned long count)
{
    struct xen_memory_reservation reservation = {.nr_extents = count, .domid = DOMID_SELF};

    set_xen_guest_handle(reservation.extent_start, frames);
    return memory_op(command, &reservation);
}

static long remove_from_physmap(unsigned long gfn)
{
    struct xen_remove_from_physmap remove = {.domid = DOMID_SELF, .gpfn = gfn};

    return memory_op(XENMEM_remove_from_physmap, &remove);
}

static long owned_pages(void)
{
    struct xen_memory_domain self = {.domid = DOMID_SELF};

    return memory_op(XENMEM_current_reservation, &self);
}

/* Whatever is wrong, the answer is how many extents are done, which the command's upper bits can say. */
static void check_counts(xen_pfn_t frame)
{
    struct xen_memory_reservation other = {.nr_extents = 1, .domid = 0x7000};

    set_xen_guest_handle(other.extent_start, &frame);
    check("balloon.unknown_domain_counts", memory_op(XENMEM_decrease_reservation, &other), 0);
    check("balloon.bad_pointer_counts", memory_op(XENMEM_populate_physmap, map_window(8, 0, WINDOW_ABSENT)), 0);
    check("balloon.continuation_counts",
          memory_op(5 << 6 | XENMEM_populate_physmap, map_window(8, 0, WINDOW_ABSENT)), 5);
    other.domid = DOMID_SELF;
    other.extent_order = 10;
    check("balloon.order_10_counts", memory_op(XENMEM_populate_physmap, &other), 0);
    other.extent_order = 0;
    other.mem_flags = XENMEMF_address_bits(12);
    check("balloon.12_address_bits_count", memory_op(XENMEM_populate_physmap, &other), 0);
    other.mem_flags = XENMEMF_populate_on_demand;
    check("balloon.populate_on_demand_counts", memory_op(XENMEM_populate_physmap, &other), 0);
}

static void check_balloon(void)
{
    char *page = alloc_page();
    xen_pfn_t frame = (unsigned long)page / PAGE, twice[] = {frame, frame};
    struct xen_memory_domain self = {.domid = DOMID_SELF};
    long owned = owned_pages();

    memset(page, 0x77, 16);
    check("balloon.decrease_nothing", change_reservation(XENMEM_decrease_reservation, &frame, 0), 0);
    check("balloon.decrease_one_page", change_reservation(XENMEM_decrease_reservation, &frame, 1), 1);
    check("balloon.populate_it_again", change_reservation(XENMEM_populate_physmap, &frame, 1), 1);
    memset(page, 0x66, 16);
    check("balloon.page_is_usable_again", page[15], 0x66);
    check("balloon.decrease_one_page_twice", change_reservation(XENMEM_decrease_reservation, twice, 2), 1);
    check("balloon.decrease_is_seen", owned - owned_pages(), 1);
    check("balloon.populate_ram_too", change_reservation(XENMEM_populate_physmap, twice, 2), 2);
    check("balloon.populate_is_seen", owned_pages() - owned, 1);
    check("balloon.increase", change_reservation(XENMEM_increase_reservation, 0, 1), 1);
    check("balloon.increase_is_seen", owned_pages() - owned, 2);
    check_counts(frame);
    check("memory_op.current_reservation_with_continuation_is_einval",
          memory_op(1 << 6 | XENMEM_current_reservation, &self), -XEN_EINVAL);
    check("physmap.remove_of_nothing_is_enoent", remove_from_physmap(frame_outside_ram(3)), -XEN_ENOENT);
    check("physmap.remove_of_ram", remove_from_physmap(frame), 0);
    check("physmap.remove_of_ram_twice_is_enoent", remove_from_physmap(frame), -XEN_ENOENT);
    check("physmap.populate_what_was_removed", change_reservation(XENMEM_populate_physmap, &frame, 1), 1);
    check("physmap.foreign_is_enosys", add_to_physmap(0x7000, XENMAPSPACE_gmfn_foreign, 0, frame), -XEN_ENOSYS);
    check("physmap.mmio_is_eacces", add_to_physmap(DOMID_SELF, XENMAPSPACE_dev_mmio, 0, frame), -XEN_EACCES);
    check("physmap.mmio_of_unknown_domain_is_esrch", add_to_physmap(0x7000, XENMAPSPACE_dev_mmio, 0, frame), -XEN_ESRCH);
    check("physmap.mmio_of_dom0_is_eacces", add_to_physmap(0, XENMAPSPACE_dev_mmio, 0, frame), -XEN_EACCES);
    check("physmap.shared_info_of_dom0_is_eperm", add_to_physmap(0, XENMAPSPACE_shared_info, 0, frame), -XEN_EPERM);
    check("physmap.too_many_done_is_edom", memory_op(0x10000 << 6 | XENMEM_add_to_physmap, &self), -XEN_EDOM);
}

void check_memory(void)
{
    struct xen_memory_map map = {.nr_entries = 64};
    struct e820_entry *entries = alloc_page();

    set_xen_guest_handle(map.buffer, (void *)entries);
    check("memory_map.returns", memory_op(XENMEM_memory_map, &map), 0);
    check_true("memory_map.has_entries", map.nr_entries >= 1 && map.nr_entries < 64);
    check_true("memory_map.first_entry_is_ram_at_0", entries[0].addr == 0 && entries[0].type == E820_RAM);
    check_balloon();
    check("memory_op.unknown_is_enosys", memory_op(63, 0), -XEN_ENOSYS);
}
