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

static void check_balloon(void)
{
    char *page = alloc_page();
    xen_pfn_t frame = (unsigned long)page / PAGE;
    struct xen_remove_from_physmap remove = {.domid = DOMID_SELF, .gpfn = frame_outside_ram(3)};

    memset(page, 0x77, 16);
    check("balloon.decrease_nothing", change_reservation(XENMEM_decrease_reservation, &frame, 0), 0);
    check("balloon.decrease_one_page", change_reservation(XENMEM_decrease_reservation, &frame, 1), 1);
    check("balloon.populate_it_again", change_reservation(XENMEM_populate_physmap, &frame, 1), 1);
    memset(page, 0x66, 16);
    check("balloon.page_is_usable_again", page[15], 0x66);
    check("physmap.remove_of_nothing_is_enoent", memory_op(XENMEM_remove_from_physmap, &remove), -XEN_ENOENT);
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
